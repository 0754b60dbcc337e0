"""The embedded engines: ``lift`` with the learned network, ``inflate`` with the hand-made prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...cameras import Camera
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, OtherPicture, Progress, Readiness, no_progress
from .centring import centred
from .flat import flattened, is_flat
from .framing import Framed, frame
from .fusion import Shot, fuse
from .guess import Guess, inflate
from .network import LOOKS, LearnedPredictor
from .placing import UNSURE, place
from .scene import LiftScene
from .symmetry import complete

SOFT = 8
"""256ths of the window: an outline widened by more deserves a warning."""


class _Embedded:
    """Frame the picture, guess the object, make its surface, render it."""

    info: EngineInfo
    _predict: Callable[[Framed, EngineRequest], Guess]

    def readiness(self) -> Readiness:
        """These engines need nothing that the package does not bring."""
        return Readiness(True)

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run the requests one after the other; ``progress`` moves with every rendered view."""
        results = []
        for number, request in enumerate(requests):

            def step(share: float, stage: str, done: int = number) -> None:
                progress((done + share) / len(requests), stage)

            results.append(self._one(request, step))
        return results

    def _one(self, request: EngineRequest, progress: Progress) -> ViewSet:
        progress(0.0, "frame")
        framed = frame(request.picture, request.input_camera)
        progress(0.05, "lift")
        guess = self._predict(framed, request)
        if framed.frustum is not None:
            guess = centred(guess, framed.matte)
        others: list[Shot] = []
        if request.others:
            guess, others = self._fused(Shot(framed, guess), request, progress)
        elif is_flat(framed):
            guess = flattened(guess, framed)
        progress(0.25, "surface")
        renderer, grain = str(request.options.get("renderer", "auto")), bool(request.options.get("grain", True))
        scene = LiftScene(framed, guess, renderer, others, grain)
        views: list[View] = []
        for index, camera in enumerate(request.cameras):
            progress(0.4 + 0.6 * index / len(request.cameras), "render")
            views.append(scene.render(camera, request.size))
        progress(1.0, "done")
        used = _camera(scene, request.input_camera)
        if not request.others:
            return ViewSet(views, meta={"input_camera": used}, scene=scene)
        meta: dict[str, Any] = {
            "input_camera": [used, *(_placed(s, o) for s, o in zip(others, request.others, strict=True))]
        }
        if warnings := _warnings(others, request.others):
            meta["warnings"] = warnings
        return ViewSet(views, meta=meta, scene=scene)

    def _fused(self, first: Shot, request: EngineRequest, progress: Progress) -> tuple[Guess, list[Shot]]:
        """What all pictures say together, and the pictures after the first in its world."""
        known = first.framed.frustum is not None
        others: list[Shot] = []
        for number, other in enumerate(request.others, 1):
            progress(0.05 + 0.2 * number / (1 + len(request.others)), "lift")
            framed = frame(other.picture, other.camera)
            shot = place(first, Shot(framed, self._predict(framed, request)), other.azimuth, known)
            if not shot.rough:
                shot = replace(shot, guess=centred(shot.guess, framed.matte))
            others.append(shot)
        return fuse(first, others), others


def _camera(scene: LiftScene, stated: Camera | None) -> dict[str, Any]:
    """What the engine took the picture's camera to be."""
    if stated is not None and stated.distance is not None:
        return {
            "azimuth": 0.0,
            "elevation": stated.elevation,
            "distance": stated.distance,
            "fov": stated.fov,
            "estimated": False,
        }
    frustum = scene.frustum
    return {
        "azimuth": 0.0,
        "elevation": round(frustum.elevation, 2),
        "distance": round(float(frustum.centre), 3),
        "fov": round(float(np.degrees(2 * np.arctan(frustum.slope))), 2),
        "estimated": True,
    }


def _placed(shot: Shot, told: OtherPicture) -> dict[str, Any]:
    """Where a picture after the first was taken to stand."""
    stated = told.camera
    about: dict[str, Any] = {
        "azimuth": round(shot.azimuth % 360, 1),
        "elevation": round(shot.guess.frustum.elevation, 2) if stated is None else stated.elevation,
        "estimated": stated is None or stated.distance is None or told.azimuth is None,
        "found": told.azimuth is None,
        "used": shot.slack is not None,
    }
    if told.azimuth is None:
        about["sure"] = round(shot.sure, 2)
    return about


def _warnings(shots: Sequence[Shot], told: Sequence[OtherPicture]) -> list[str]:
    """What the caller should look at, a sentence each."""
    found = []
    for number, (shot, one) in enumerate(zip(shots, told, strict=True), 2):
        if one.azimuth is None and shot.sure < UNSURE:
            found.append(f"Picture {number} was left aside: its azimuth is not sure. Tell it if you know it.")
        elif shot.slack is None:
            found.append(f"Picture {number} contradicts the first one: it was left aside.")
        elif shot.slack > SOFT:
            found.append(f"Picture {number} does not fit the first one well: its outline was softened.")
    return found


class LiftEngine(_Embedded):
    """One network pass lifts the picture to 3D; every view is a rendering of that one object.

    Its steps are looks at the picture, as it is and mirrored, whose mean is the object: two unless one is asked
    for. Options: ``symmetry=True`` repeats a symmetric object's seen half; ``grain=False`` leaves hidden sides
    smooth; ``renderer="numpy"`` does without Embree.
    """

    info = EngineInfo(
        name="lift",
        summary="Embedded: lifts the picture to 3D with a small network of our own. No GPU, nothing to download.",
        licence="Apache-2.0 (code and weights)",
        features=frozenset({"cameras", "input_camera", "pictures", "steps", "mesh"}),
        rank=10,
        options=frozenset({"renderer", "symmetry", "grain"}),
        steps=len(LOOKS),
        most_steps=len(LOOKS),
    )

    def __init__(self) -> None:
        self._learned = LearnedPredictor()

    def readiness(self) -> Readiness:
        """Ready when the network's weights are in the package, as they are in every release."""
        if self._learned.present:
            return Readiness(True)
        return Readiness(
            False, "its weights are missing from this installation", "Reinstall orbitview, or use engine=inflate."
        )

    def _predict(self, framed: Framed, request: EngineRequest) -> Guess:
        guess = self._learned(framed, request.steps or len(LOOKS))
        return complete(guess, framed.matte) if request.options.get("symmetry", False) else guess


class InflateEngine(_Embedded):
    """Blows up the silhouette: the hand-made prior that the network has to beat, and its stand-in."""

    info = EngineInfo(
        name="inflate",
        summary="Embedded: blows the silhouette up to a smooth body. Always there, plain.",
        licence="Apache-2.0",
        features=frozenset({"cameras", "input_camera", "pictures", "mesh"}),
        rank=1,
        options=frozenset({"renderer", "grain"}),
    )

    def _predict(self, framed: Framed, request: EngineRequest) -> Guess:
        return inflate(framed)
