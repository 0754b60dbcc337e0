"""MV-Adapter as engines: six orthographic views with weights that a shop may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from ...cameras import rig
from ...images import centred
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from ..devices import best_device
from ..diffusion import in_batches, over_grey, without_grey
from ..loading import warm_parts
from ..weights import Weights
from .variants import ADAPTERS, FILL, GUIDANCE, NEGATIVE_PROMPT, PROMPT, REVISION, RIG, SD21, SDXL, STEPS, Variant

if TYPE_CHECKING:
    from .parts import Parts

BUCKETS = (2, 1)
"""Sizes of a batch. One request is a dozen pictures already: its views, with and without the condition."""


class MVAdapterEngine:
    """Over SDXL: six views of 768 pixels, denoised together; like requests share a run."""

    variant: Variant = SDXL

    def __init__(self) -> None:
        variant = self.variant
        self.weights = Weights(
            name=variant.name,
            repository=ADAPTERS,
            licence=variant.licence,
            files=(variant.adapter,),
            revision=REVISION,
            more=variant.sources,
        )
        self.info = EngineInfo(
            name=variant.name,
            summary=variant.summary,
            licence=variant.licence,
            features=frozenset({"seed", "steps", "guidance", "prompt", "negative_prompt", "batch"}),
            rig=RIG,
            rank=4 if variant.wide else 3,
            options=frozenset({"keep_grey"}),
            steps=STEPS,
        )

    def readiness(self) -> Readiness:
        """Packages and weights; a GPU is wanted, not needed."""
        return self.weights.readiness(("torch", "diffusers", "transformers", "safetensors"))

    def together(self) -> int:
        """Requests that are worth running together here: a CPU gains nothing by it."""
        return 1 if best_device() == "cpu" else BUCKETS[0]

    def _parts(self) -> Parts:
        from .parts import load_parts

        return warm_parts(self.weights, lambda folder, device, dtype: load_parts(folder, self.variant, device, dtype))

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run the requests, those with the same steps and guidance together."""
        progress(0.0, "load")
        parts = self._parts()

        def batch(some: list[EngineRequest], told: Progress) -> list[ViewSet]:
            return self._batch(parts, some, told)

        return in_batches(requests, lambda one: (_steps(one), _guidance(one)), BUCKETS, batch, progress)

    def _batch(self, parts: Parts, requests: Sequence[EngineRequest], progress: Progress) -> list[ViewSet]:
        from .noise import SeededNoise
        from .pipeline import decode, run

        steps = _steps(requests[0])
        latents = run(
            parts,
            [framed(request.picture, self.variant.size) for request in requests],
            SeededNoise([request.seed for request in requests]),
            prompts=[PROMPT if request.prompt is None else request.prompt for request in requests],
            negative_prompts=[
                NEGATIVE_PROMPT if request.negative_prompt is None else request.negative_prompt for request in requests
            ],
            steps=steps,
            guidance=_guidance(requests[0]),
            told=lambda step: progress(0.05 + 0.85 * step / steps, f"denoise {step + 1}/{steps}"),
        )
        made = []
        for number, (request, own) in enumerate(zip(requests, latents, strict=True)):
            progress(0.9 + 0.1 * number / len(requests), "decode")
            tiles = decode(parts, own)
            progress(0.9 + 0.1 * (number + 0.6) / len(requests), "matte")
            made.append(_views(tiles, request))
        progress(1.0, "done")
        return made


class MVAdapterSD21Engine(MVAdapterEngine):
    """Over Stable Diffusion 2.1: 512 pixels, a third of the weights."""

    variant = SD21


def framed(picture: Image.Image, size: int) -> Image.Image:
    """The cut-out over grey as the model was tried with it: in the middle, its longer side 0.9 of the picture's."""
    square = centred(picture, FILL)
    return over_grey(square.resize((size, size), Image.Resampling.BICUBIC))


def _views(tiles: Sequence[Image.Image], request: EngineRequest) -> ViewSet:
    views = []
    for tile, camera in zip(tiles, rig(RIG), strict=True):
        side = (request.size, request.size)
        sized = tile if tile.size == side else tile.resize(side, Image.Resampling.LANCZOS)
        views.append(View(without_grey(sized, request.options), camera))
    return ViewSet(views, meta={"steps": _steps(request), "guidance": _guidance(request)})


def _steps(request: EngineRequest) -> int:
    return STEPS if request.steps is None else request.steps


def _guidance(request: EngineRequest) -> float:
    return GUIDANCE if request.guidance is None else request.guidance
