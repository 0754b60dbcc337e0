"""The Engine protocol: all that the rest of orbitview knows of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from PIL import Image

from ..cameras import Camera
from ..progress import Progress as Progress
from ..progress import no_progress as no_progress
from ..views import View, ViewSet

Feature = Literal[
    "cameras", "input_camera", "pictures", "seed", "steps", "guidance", "prompt", "negative_prompt", "mesh", "batch"
]
"""What an engine may honour. An engine without ``"cameras"`` draws its own fixed rig."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself.

    Attributes:
        name: how requests name it.
        summary: one sentence.
        licence: of code and weights, as a user must know it.
        features: the request parameters that it honours; others are reported as ignored.
        rig: name of the fixed rig of an engine that does not honour ``"cameras"``.
        rank: ``engine="auto"`` takes the ready engine with the highest.
        steps: what it takes by itself, where it has steps.
        most_steps: more than these do nothing more.
        options: names of the options of its own that ``generate`` may be given.
    """

    name: str
    summary: str
    licence: str
    features: frozenset[Feature]
    rig: str | None = None
    rank: int = 0
    options: frozenset[str] = frozenset()
    steps: int = 1
    most_steps: int = 100


@dataclass(frozen=True)
class Readiness:
    """Whether an engine can run on this machine now; if not, why, and what to do."""

    ready: bool
    reason: str = ""
    hint: str = ""


@dataclass
class OtherPicture:
    """A further picture of the object.

    Attributes:
        picture: RGBA cut-out, straight alpha.
        azimuth: of its camera in degrees, relative to the first picture's; None where it is to be found.
        camera: what else is known of its camera (its azimuth counts for nothing); None if nothing is.
    """

    picture: Image.Image
    azimuth: float | None = None
    camera: Camera | None = None


@dataclass
class EngineRequest:
    """One job for an engine.

    Attributes:
        picture: RGBA cut-out of the object, straight alpha.
        cameras: views wanted, some perhaps without distance.
        size: side of each view in pixels.
        input_camera: what is known of the picture's camera; None if nothing is.
        others: further pictures of the object, for engines with ``"pictures"``; empty for others.
        seed: always set.
        steps, guidance, prompt, negative_prompt: None where the caller left them open.
    """

    picture: Image.Image
    cameras: Sequence[Camera]
    size: int = 320
    input_camera: Camera | None = None
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    options: dict[str, object] = field(default_factory=dict)
    others: Sequence[OtherPicture] = ()


class Scene(Protocol):
    """A reconstructed object that renders any camera (the result of an engine with ``"mesh"``)."""

    def render(self, camera: Camera, size: int) -> View:
        """One view of ``size`` × ``size`` pixels."""
        ...


@runtime_checkable
class Engine(Protocol):
    """A way from one picture to views. Registered under the entry-point group ``orbitview.engines``."""

    info: EngineInfo

    def readiness(self) -> Readiness:
        """Cheap check of packages, weights and devices; imports nothing heavy."""
        ...

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run some requests, together where the engine can (``"batch"``).

        Raises:
            OrbitviewError: for anything that the caller can mend.
        """
        ...
