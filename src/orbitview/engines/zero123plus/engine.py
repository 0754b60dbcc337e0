"""Zero123++ as an engine: what the hosted service ran, so steps, guidance, seed and prompts mean something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...cameras import rig
from ...config import Settings
from ...images import centred, cut_out
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from ..weights import WARM, Weights

if TYPE_CHECKING:
    from .pipeline import Parts

TILE, COLUMNS = 320, 2
_FOLDERS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "vision_encoder")
_FILES = (
    "model_index.json",
    *(f"{name}/*.json" for name in _FOLDERS),
    *(f"{name}/*.[sb][ai][fn]*" for name in ("vae", "text_encoder", "unet", "vision_encoder")),
    "feature_extractor_vae/preprocessor_config.json",
    "feature_extractor_clip/preprocessor_config.json",
)


class Zero123PlusEngine:
    """Six tiles of one picture, denoised together; requests with the same steps and guidance share a run."""

    version = "v1.2"

    def __init__(self) -> None:
        name = "zero123plus" if self.version == "v1.2" else f"zero123plus-{self.version}"
        self.weights = Weights(
            name=name,
            repository=f"sudo-ai/zero123plus-{self.version}",
            licence="CC-BY-NC-4.0 (no commercial use); code of this engine Apache-2.0",
            files=_FILES,
            patterns=("*.json", "*.txt", "*.safetensors", "*.bin"),
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
        )

    def readiness(self) -> Readiness:
        """Packages and weights; a GPU is wanted, not needed."""
        return self.weights.readiness(("torch", "diffusers", "transformers"))

    def _parts(self) -> Parts:
        from .pipeline import load_parts

        folder = self.weights.require()
        settings = Settings()

        def load() -> Parts:
            import torch

            on_gpu = torch.cuda.is_available()
            chosen = settings.precision if settings.precision != "auto" else ("float16" if on_gpu else "float32")
            parts = load_parts(folder, "cuda" if on_gpu and not settings.offload else "cpu", getattr(torch, chosen))
            if on_gpu and settings.offload:
                from accelerate import cpu_offload

                for name in ("vae", "text_encoder", "unet", "vision_encoder"):
                    cpu_offload(getattr(parts, name), torch.device("cuda"))
            if settings.compile:
                parts.unet.compile(dynamic=False)
            return parts

        parts: Parts = WARM.get((self.info.name, str(folder)), load, lambda p: p.bytes())
        return parts

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run the requests, those with the same steps and guidance together."""
        progress(0.0, "load")
        parts = self._parts()
        groups: dict[tuple[int, float], list[int]] = {}
        for index, request in enumerate(requests):
            steps = request.steps if request.steps is not None else 28
            groups.setdefault((steps, float(request.guidance if request.guidance is not None else 4.0)), []).append(
                index
            )
        results: list[ViewSet | None] = [None] * len(requests)
        for done, ((steps, guidance), members) in enumerate(groups.items()):

            def told(share: float, stage: str, done: int = done) -> None:
                progress((done + share) / len(groups), stage)

            for index, views in zip(
                members, self._batch(parts, [requests[i] for i in members], steps, guidance, told), strict=True
            ):
                results[index] = views
        return [views for views in results if views is not None]

    def _batch(
        self, parts: Parts, requests: Sequence[EngineRequest], steps: int, guidance: float, progress: Progress
    ) -> list[ViewSet]:
        from .noise import SeededNoise
        from .pipeline import decode, over_grey, run

        latents = run(
            parts,
            [over_grey(centred(request.picture)) for request in requests],
            SeededNoise([request.seed for request in requests]),
            prompts=[request.prompt or "" for request in requests],
            negative_prompts=[request.negative_prompt or "" for request in requests],
            steps=steps,
            guidance=guidance,
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
            views.append(View(_without_grey(tile, request.options), camera.at(_DISTANCE)))
        return ViewSet(views, meta={"steps": request.steps or 28, "guidance": request.guidance or 4.0})


_DISTANCE = 2.0
"""The model's cameras keep the object at a like size; their distance is not published in our units."""


class Zero123PlusV11Engine(Zero123PlusEngine):
    """The first version: elevations 30 and -20."""

    version = "v1.1"


def _without_grey(tile: Image.Image, options: dict[str, Any]) -> Image.Image:
    """The tile with its grey removed, or as it is where the caller wants the grey (``keep_grey=True``)."""
    from ...errors import InvalidImage

    if options.get("keep_grey"):
        return tile.convert("RGBA")
    try:
        return cut_out(tile)
    except InvalidImage:
        return tile.convert("RGBA")
