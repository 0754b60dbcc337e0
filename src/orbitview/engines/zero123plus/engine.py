"""Zero123++ as an engine: what the hosted service ran, so steps, guidance, seed and prompts mean something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ...cameras import rig
from ...config import Settings
from ...images import centred
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from ..devices import best_device
from ..diffusion import in_batches, over_grey, without_grey
from ..loading import warm_parts
from ..weights import Weights
from .files import EXTRAS, FILES

if TYPE_CHECKING:
    import torch

    from .pipeline import Parts

TILE, COLUMNS = 320, 2

STEPS = 28
"""Of denoising, where no number is asked for."""


class Zero123PlusEngine:
    """Six tiles of one picture, denoised together; requests with the same steps and guidance share a run."""

    version = "v1.2"
    revision: str | None = "2da07e89919e1a130c9b5add1584c70c7aa065fd"
    fill = 0.85

    def __init__(self) -> None:
        name = "zero123plus" if self.version == "v1.2" else f"zero123plus-{self.version}"
        self.weights = Weights(
            name=name,
            repository=f"sudo-ai/zero123plus-{self.version}",
            licence="CC-BY-NC-4.0 (no commercial use); code of this engine Apache-2.0",
            files=FILES,
            extras=EXTRAS,
            revision=self.revision,
        )
        self.info = EngineInfo(
            name=name,
            summary=f"Zero123++ {self.version}: diffusion, sharp, six fixed views; wants a GPU. "
            "Weights not for commercial use.",
            licence=self.weights.licence,
            features=frozenset({"seed", "steps", "guidance", "prompt", "negative_prompt", "batch"}),
            rig=f"zero123plus-{self.version}",
            rank=5,
            options=frozenset({"keep_grey"}),
            steps=STEPS,
        )

    def readiness(self) -> Readiness:
        """Packages and weights; a GPU is wanted, not needed."""
        return self.weights.readiness(("torch", "diffusers", "transformers"))

    def together(self) -> int:
        """Requests that are worth running together here: a CPU gains nothing by it."""
        return 1 if best_device() == "cpu" else BUCKETS[0]

    def _parts(self) -> Parts:
        from .pipeline import compile_unet, load_parts

        def load(folder: Path, device: str, dtype: torch.dtype) -> Parts:
            parts = load_parts(folder, device, dtype)
            if Settings().compile:
                compile_unet(parts)
            return parts

        return warm_parts(self.weights, load)

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run the requests, those with the same steps and guidance together."""
        progress(0.0, "load")
        parts = self._parts()

        def batch(some: list[EngineRequest], told: Progress) -> list[ViewSet]:
            return self._batch(parts, some, _steps(some[0]), _guidance(some[0]), told)

        return in_batches(requests, lambda one: (_steps(one), _guidance(one)), BUCKETS, batch, progress)

    def _batch(
        self, parts: Parts, requests: Sequence[EngineRequest], steps: int, guidance: float, progress: Progress
    ) -> list[ViewSet]:
        from .noise import SeededNoise
        from .pipeline import decode, run

        latents = run(
            parts,
            [over_grey(centred(request.picture, self.fill)) for request in requests],
            SeededNoise([request.seed for request in requests]),
            prompts=[request.prompt or "" for request in requests],
            negative_prompts=[request.negative_prompt or "" for request in requests],
            steps=steps,
            guidance=guidance,
            graphs=not Settings().offload,
            told=lambda step: progress(0.05 + 0.85 * step / steps, f"denoise {step + 1}/{steps}"),
        )
        progress(0.9, "decode")
        sheets = decode(parts, latents)
        progress(0.96, "matte")
        made = [self._views(sheet, request) for sheet, request in zip(sheets, requests, strict=True)]
        progress(1.0, "done")
        return made

    def _views(self, sheet: Image.Image, request: EngineRequest) -> ViewSet:
        views = []
        for number, camera in enumerate(rig(self.info.rig or "")):
            left, top = number % COLUMNS * TILE, number // COLUMNS * TILE
            tile = sheet.crop((left, top, left + TILE, top + TILE))
            if request.size != TILE:
                tile = tile.resize((request.size, request.size), Image.Resampling.LANCZOS)
            views.append(View(without_grey(tile, request.options), camera.at(_DISTANCE)))
        return ViewSet(views, meta={"steps": _steps(request), "guidance": _guidance(request)})


BUCKETS = (8, 4, 2, 1)
"""Sizes of a batch: a few, so that what is compiled and recorded for one is used again."""


def _steps(request: EngineRequest) -> int:
    return STEPS if request.steps is None else request.steps


def _guidance(request: EngineRequest) -> float:
    return 4.0 if request.guidance is None else request.guidance


_DISTANCE = 2.0
"""The model's cameras keep the object at a like size; their distance is not published in our units."""


class Zero123PlusV11Engine(Zero123PlusEngine):
    """The first version: elevations 30 and -20."""

    version = "v1.1"
    fill = 0.75  # as its published demonstration frames a picture
    revision = None  # no good commit of it is known here: the newest is pulled, and written down
