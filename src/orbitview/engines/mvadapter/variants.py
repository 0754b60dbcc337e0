"""The published variants: what differs between them, as numbers and names.

From the published pipelines, scripts and model card of github.com/huanngzh/MV-Adapter and of the hub's
huanngzh/mv-adapter: 50 steps, guidance 3, the words of the prompts, the object on 0.9 of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..weights import Source

RIG = "mvadapter-6"
STEPS, GUIDANCE = 50, 3.0
"""Where no number is asked for."""
PROMPT = "high quality"
NEGATIVE_PROMPT = "watermark, ugly, deformed, noisy, blurry, low contrast"
"""Where nothing is said; the models were tried with these."""
FILL = 0.9
"""What of the picture's side the object's longer side takes."""
SHIFT = 8.0
"""The signal-to-noise ratio of the last training step is divided by this, of the first by 1, geometrically between:
many views together need more noise than one for the same destruction."""


def tensors(name: str, file: str) -> tuple[str, ...]:
    """Files of a network, of which one is taken: half precision where it is published, pickles last."""
    endings = ("fp16.safetensors", "safetensors", "bin")
    if file == "model":  # of transformers; pickles have another name there
        return *(f"{name}/model.{ending}" for ending in endings[:2]), f"{name}/pytorch_model.bin"
    return tuple(f"{name}/{file}.{ending}" for ending in endings)


@dataclass(frozen=True)
class Variant:
    """One base model with its adapter.

    Attributes:
        name: of the engine and its folder of weights.
        title: for people.
        adapter: file of the adapter.
        base: repository and commit of the base model, which lies in ``base/``.
        vae: repository and commit of the VAE in ``vae/``; None takes the base model's.
        size: side of each view in pixels.
        sampler: what the published script recommends.
        wide: whether the base is SDXL: two text encoders, sizes as conditions, a condition encoder that halves once.
        licence: of all weights together.
        summary: one sentence of the engine.
    """

    name: str
    title: str
    adapter: str
    base: tuple[str, str | None]
    vae: tuple[str, str] | None
    size: int
    sampler: Literal["euler", "ddpm"]
    wide: bool
    licence: str
    summary: str

    @property
    def vae_folder(self) -> str:
        """Where the VAE lies."""
        return "vae" if self.vae else "base/vae"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the folders of tokenizers and text encoders."""
        return ("", "_2") if self.wide else ("",)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Repositories beside the adapter's, with the files that loading needs."""
        files: list[str | tuple[str, ...]] = ["scheduler/scheduler_config.json", "unet/config.json"]
        files.append(tensors("unet", "diffusion_pytorch_model"))
        extras = []
        for suffix in self.suffixes:
            files += [f"tokenizer{suffix}/{name}" for name in ("vocab.json", "merges.txt", "tokenizer_config.json")]
            files += [f"text_encoder{suffix}/config.json", tensors(f"text_encoder{suffix}", "model")]
            extras.append(f"tokenizer{suffix}/special_tokens_map.json")
        if self.vae is None:
            files += ["vae/config.json", tensors("vae", "diffusion_pytorch_model")]
            return (Source(self.base[0], "base", tuple(files), tuple(extras), self.base[1]),)
        own: tuple[str | tuple[str, ...], ...] = ("config.json", "diffusion_pytorch_model.safetensors")
        return (
            Source(self.base[0], "base", tuple(files), tuple(extras), self.base[1]),
            Source(self.vae[0], "vae", own, (), self.vae[1]),
        )


ADAPTERS = "huanngzh/mv-adapter"
REVISION = "6de4033df6b53366f3c009d22f5ec434bb55e59f"
"""Of the adapters: has both files."""

SDXL = Variant(
    name="mvadapter",
    title="MV-Adapter over SDXL",
    adapter="mvadapter_i2mv_sdxl.safetensors",
    base=("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b"),
    vae=("madebyollin/sdxl-vae-fp16-fix", "207b116dae70ace3637169f1ddd2434b91b3a8cd"),
    size=768,
    sampler="euler",
    wide=True,
    licence="Apache-2.0 (adapter and code of this engine), CreativeML Open RAIL++-M (Stable Diffusion XL: commercial "
    "use within the use restrictions of its Attachment A) and MIT (VAE)",
    summary="MV-Adapter over SDXL: diffusion, six fixed orthographic views at eye level; wants a GPU. "
    "Commercial use within its base model's restrictions.",
)

SD21 = Variant(
    name="mvadapter-sd21",
    title="MV-Adapter over Stable Diffusion 2.1",
    adapter="mvadapter_i2mv_sd21.safetensors",
    base=("stabilityai/stable-diffusion-2-1-base", None),
    vae=None,
    size=512,
    sampler="ddpm",
    wide=False,
    licence="Apache-2.0 (adapter and code of this engine) and CreativeML Open RAIL++-M (Stable Diffusion 2.1: "
    "commercial use within the use restrictions of its Attachment A)",
    summary="MV-Adapter over Stable Diffusion 2.1: as mvadapter with a third of the weights and smaller views. "
    "Commercial use within its base model's restrictions.",
)
