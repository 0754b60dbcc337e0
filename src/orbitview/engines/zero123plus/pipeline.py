"""The denoising run, from pictures to six tiles: see the report (arXiv 2310.15110) for why each step is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .attention import ReferenceStore, install
from .noise import Noise

WIDTH, HEIGHT = 640, 960
"""Of the one picture that holds all six tiles."""


def scale_latents(latents: Tensor) -> Tensor:
    """As the UNet was trained to see them."""
    return (latents - 0.22) * 0.75


def unscale_latents(latents: Tensor) -> Tensor:
    """Inverse of :func:`scale_latents`."""
    return latents / 0.75 + 0.22


def scale_image(image: Tensor) -> Tensor:
    """As the VAE was made to see pictures, so that white is far from its limit."""
    return image * 0.5 / 0.8


def unscale_image(image: Tensor) -> Tensor:
    """Inverse of :func:`scale_image`."""
    return image / 0.5 * 0.8


def over_grey(picture: Image.Image) -> Image.Image:
    """RGB over the mid grey that the model takes for nothing."""
    flat = Image.new("RGBA", picture.size, (127, 127, 127, 255))
    flat.alpha_composite(picture.convert("RGBA"))
    return flat.convert("RGB")


def prepare(picture: Image.Image, config: dict[str, Any]) -> Tensor:
    """(3, H, W) by a ``preprocessor_config.json``: resize, centre crop, rescale, normalise."""
    if config.get("do_resize", True):
        size = config.get("size", 224)
        short = size if isinstance(size, int) else size.get("shortest_edge")
        if short:
            scale = short / min(picture.size)
            wanted = (max(short, round(picture.width * scale)), max(short, round(picture.height * scale)))
        else:
            wanted = (size["width"], size["height"])
        picture = picture.resize(wanted, Image.Resampling(config.get("resample", 3)))
    if config.get("do_center_crop", False):
        crop = config["crop_size"]
        width, height = (crop, crop) if isinstance(crop, int) else (crop["width"], crop["height"])
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture, np.float32) * config.get("rescale_factor", 1 / 255)
    mean, std = (np.array(config[k], np.float32) for k in ("image_mean", "image_std"))
    return torch.from_numpy(((pixels - mean) / std).transpose(2, 0, 1).copy())


@dataclass
class Parts:
    """The loaded networks and their configuration, on one device."""

    vae: Any
    text_encoder: Any
    tokenizer: Any
    unet: Any
    scheduler: Any
    vision_encoder: Any
    for_vae: dict[str, Any]
    for_clip: dict[str, Any]
    ramp: Tensor
    store: ReferenceStore

    @property
    def device(self) -> torch.device:
        """Where the UNet runs."""
        return cast(torch.device, self.unet.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in."""
        return cast(torch.dtype, self.unet.dtype)

    def bytes(self) -> float:
        """Of all parameters."""
        modules = (self.vae, self.text_encoder, self.unet, self.vision_encoder)
        return float(sum(p.numel() * p.element_size() for m in modules for p in m.parameters()))


def load_parts(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Parts:
    """Load the published folder layout; reads local files only and runs no code from them."""
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    def network(kind: Any, name: str) -> Any:
        loaded = kind.from_pretrained(str(folder / name), torch_dtype=dtype, local_files_only=True)
        return loaded.to(device).eval().requires_grad_(False)

    def config(name: str) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads((folder / name).read_text()))

    unet = network(UNet2DConditionModel, "unet")
    return Parts(
        vae=network(AutoencoderKL, "vae"),
        text_encoder=network(CLIPTextModel, "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True),
        unet=unet,
        scheduler=EulerAncestralDiscreteScheduler.from_pretrained(
            str(folder / "scheduler"), local_files_only=True, timestep_spacing="trailing"
        ),
        vision_encoder=network(CLIPVisionModelWithProjection, "vision_encoder"),
        for_vae=config("feature_extractor_vae/preprocessor_config.json"),
        for_clip=config("feature_extractor_clip/preprocessor_config.json"),
        ramp=torch.tensor(config("model_index.json")["ramping_coefficients"], dtype=torch.float32),
        store=install(unet),
    )


def embed_text(parts: Parts, texts: Sequence[str]) -> Tensor:
    """(B, 77, C) embeddings, cut and padded to the tokenizer's length."""
    tokens = parts.tokenizer(
        list(texts),
        padding="max_length",
        max_length=parts.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    mask = (
        tokens.attention_mask.to(parts.device) if getattr(parts.text_encoder.config, "use_attention_mask", 0) else None
    )
    return cast(Tensor, parts.text_encoder(tokens.input_ids.to(parts.device), attention_mask=mask)[0])


def _latents(parts: Parts, pixels: Tensor, noise: Tensor) -> Tensor:
    """A sample of the VAE's distribution, not multiplied by its scaling factor."""
    told = parts.vae.encode(pixels.to(parts.device, parts.vae.dtype)).latent_dist
    return cast(Tensor, told.mean.float() + told.std.float() * noise.to(parts.device))


@torch.inference_mode()
def run(
    parts: Parts,
    pictures: Sequence[Image.Image],
    noise: Noise,
    *,
    prompts: Sequence[str] | None = None,
    negative_prompts: Sequence[str] | None = None,
    steps: int = 28,
    guidance: float = 4.0,
    width: int = WIDTH,
    height: int = HEIGHT,
    told: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Denoise a batch of pictures together; returns their final latents, (B, 4, height / 8, width / 8) float32.

    Args:
        pictures: RGB over mid grey, square.
        noise: a :class:`SeededNoise` or a :class:`GivenNoise`.
        told: called before each step with its number; it may raise to stop the run.
    """
    count, guided = len(pictures), guidance > 1
    pixels = torch.stack([prepare(picture, parts.for_vae) for picture in pictures])
    factor = 2 ** (len(parts.vae.config.block_out_channels) - 1)
    small = (count, parts.vae.config.latent_channels, pixels.shape[2] // factor, pixels.shape[3] // factor)
    condition = _latents(parts, pixels, noise.encode(small))
    seen = torch.stack([prepare(picture, parts.for_clip) for picture in pictures])
    whole = parts.vision_encoder(seen.to(parts.device, parts.dtype)).image_embeds
    text = embed_text(parts, prompts or [""] * count)
    text = text + whole[:, None] * parts.ramp.to(text)[None, :, None]
    if guided:
        nothing = _latents(parts, torch.zeros_like(pixels), noise.encode_negative(small))
        condition = torch.cat([nothing, condition])
        text = torch.cat([embed_text(parts, negative_prompts or [""] * count), text])
    text = text.to(parts.dtype)
    parts.scheduler.set_timesteps(steps, device=parts.device)
    sigmas, times = parts.scheduler.sigmas.float().to(parts.device), parts.scheduler.timesteps
    large = (count, parts.unet.config.in_channels, height // factor, width // factor)
    sample = noise.initial(large).to(parts.device).float() * sigmas.max()
    try:
        for number, time in enumerate(times):
            told(number)
            sigma = sigmas[number]
            shrink = 1 / (sigma**2 + 1).sqrt()
            # The reference is noised to the step's level and scaled as the sample is.
            grain = noise.reference(number, tuple(condition.shape)).to(condition)
            parts.store.kept.clear()
            parts.store.writing = True
            parts.unet(((condition + sigma * grain) * shrink).to(parts.dtype), time, text, return_dict=False)
            parts.store.writing = False
            double = torch.cat([sample, sample]) if guided else sample
            velocity = parts.unet((double * shrink).to(parts.dtype), time, text, return_dict=False)[0].float()
            if guided:
                without, with_it = velocity.chunk(2)
                velocity = without + guidance * (with_it - without)
            sample = _euler_ancestral(sample, velocity, sigma, sigmas[number + 1], noise, number)
    finally:
        parts.store.kept.clear()
        parts.store.writing = False
    return sample


def _euler_ancestral(sample: Tensor, velocity: Tensor, now: Tensor, after: Tensor, noise: Noise, number: int) -> Tensor:
    """One step of the Euler ancestral sampler for v-prediction, in float32."""
    clean = sample / (now**2 + 1) - velocity * now / (now**2 + 1).sqrt()
    up = (after**2 * (now**2 - after**2) / now**2).clamp(min=0).sqrt()
    down = (after**2 - up**2).clamp(min=0).sqrt()
    moved = sample + (sample - clean) / now * (down - now)
    return moved + noise.ancestral(number, tuple(sample.shape)).to(sample) * up


@torch.inference_mode()
def decode(parts: Parts, latents: Tensor) -> list[Image.Image]:
    """RGB pictures of final latents, one after the other to spare memory."""
    made = []
    for one in unscale_latents(latents).split(1):
        ready = (one / parts.vae.config.scaling_factor).to(parts.vae.dtype)
        pixels = unscale_image(parts.vae.decode(ready, return_dict=False)[0].float())
        array = ((pixels[0].clamp(-1, 1) + 1) * 127.5 + 0.5).permute(1, 2, 0).cpu().numpy().astype(np.uint8)
        made.append(Image.fromarray(array))
    return made
