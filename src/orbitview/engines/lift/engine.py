"""The embedded engines: ``lift`` with the learned network, ``inflate`` with the hand-made prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...cameras import Camera
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from .flat import flattened, is_flat
from .framing import Framed, frame
from .guess import Guess, inflate
from .network import LOOKS, LearnedPredictor
from .scene import LiftScene
from .symmetry import complete


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
        if is_flat(framed):
            guess = flattened(guess, framed)
        progress(0.25, "surface")
        scene = LiftScene(framed, guess, str(request.options.get("renderer", "auto")))
        views: list[View] = []
        for index, camera in enumerate(request.cameras):
            progress(0.4 + 0.6 * index / len(request.cameras), "render")
            views.append(scene.render(camera, request.size))
        progress(1.0, "done")
        return ViewSet(views, meta={"input_camera": _camera(scene, request.input_camera)}, scene=scene)


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
        "elevation": round(float(np.degrees(np.arcsin(np.clip(-frustum.axes[1, 2], -1, 1)))), 2),
        "distance": round(float(frustum.centre), 3),
        "fov": round(float(np.degrees(2 * np.arctan(frustum.slope))), 2),
        "estimated": True,
    }


class LiftEngine(_Embedded):
    """One network pass lifts the picture to 3D; every view is a rendering of that one object.

    Its steps are looks at the picture, as it is and mirrored, whose mean is the object: two unless one is asked
    for. Options: ``symmetry=False`` leaves the hidden side of symmetric objects to the network alone;
    ``renderer="numpy"`` does without Embree.
    """

    info = EngineInfo(
        name="lift",
        summary="Embedded: lifts the picture to 3D with a small network of our own. No GPU, nothing to download.",
        licence="Apache-2.0 (code and weights)",
        features=frozenset({"cameras", "input_camera", "steps", "mesh"}),
        rank=10,
        options=frozenset({"renderer", "symmetry"}),
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
        return complete(guess, framed.matte) if request.options.get("symmetry", True) else guess


class InflateEngine(_Embedded):
    """Blows up the silhouette: the hand-made prior that the network has to beat, and its stand-in."""

    info = EngineInfo(
        name="inflate",
        summary="Embedded: blows the silhouette up to a smooth body. Always there, plain.",
        licence="Apache-2.0",
        features=frozenset({"cameras", "input_camera", "mesh"}),
        rank=1,
        options=frozenset({"renderer"}),
    )

    def _predict(self, framed: Framed, request: EngineRequest) -> Guess:
        return inflate(framed)
