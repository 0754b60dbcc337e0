"""The denoising run, from pictures to six views each; see the paper (arXiv 2412.03632) for why each step is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...cameras import Camera, rig
from ..diffusion import check_numbers
from .noise import Noise
from .parts import Parts
from .rays import ray_maps
from .sampler import Sampler
from .variants import GUIDANCE, RIG, STEPS


@dataclass
class Text:
    """What the UNet is told in words; N texts.

    Attributes:
        tokens: (N, 77, C).
        whole: (N, P) of SDXL, each text as one vector; None of others.
    """

    tokens: Tensor
    whole: Tensor | None

    def repeat(self, views: int) -> Text:
        """Each one ``views`` times."""
        whole = None if self.whole is None else self.whole.repeat_interleave(views, 0)
        return Text(self.tokens.repeat_interleave(views, 0), whole)

    def after(self, other: Text) -> Text:
        """The other's texts, then these."""
        whole = None if self.whole is None or other.whole is None else torch.cat([other.whole, self.whole])
        return Text(torch.cat([other.tokens, self.tokens]), whole)


def embed_text(parts: Parts, texts: Sequence[str]) -> Text:
    """Embeddings, cut and padded to the tokenizers' length.

    SDXL takes both encoders' last but one layers, and the second's projection; others the encoder's last layer.
    """
    wide = parts.variant.wide
    layers, whole = [], None
    for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True):
        told = tokenizer(
            list(texts),
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        mask = None
        if not wide and getattr(encoder.config, "use_attention_mask", False):
            mask = told.attention_mask.to(parts.device)
        found = encoder(told.input_ids.to(parts.device), attention_mask=mask, output_hidden_states=wide)
        layers.append(found.hidden_states[-2] if wide else found[0])
        whole = found[0] if wide else None  # of the last encoder, which has a projection
    return Text(torch.cat(layers, -1).to(parts.dtype), whole)


def _latents(parts: Parts, pictures: Sequence[Image.Image], noise: Noise) -> Tensor:
    """(B, 4, h, w) samples of the VAE's distribution for pictures of the variant's size, scaled."""
    side = parts.variant.size
    sized = [p if p.size == (side, side) else p.resize((side, side), Image.Resampling.BICUBIC) for p in pictures]
    pixels = torch.from_numpy(np.stack([np.asarray(p.convert("RGB"), np.float32) for p in sized]))
    ready = (pixels / 255 * 2 - 1).permute(0, 3, 1, 2).to(parts.device, parts.vae.dtype)
    told = parts.vae.encode(ready).latent_dist
    grain = noise.encode(tuple(told.mean.shape)).to(parts.device)
    return (told.mean.float() + told.std.float() * grain) * float(parts.vae.config.scaling_factor)


def _conditions(parts: Parts, text: Text) -> dict[str, Tensor] | None:
    """Of SDXL, beside the tokens: the text as a whole, and the picture's size, uncropped."""
    if text.whole is None:
        return None
    side = parts.variant.size
    sizes = torch.tensor([side, side, 0, 0, side, side], dtype=parts.dtype, device=parts.device)
    return {"text_embeds": text.whole.to(parts.dtype), "time_ids": sizes.expand(len(text.whole), -1)}


@torch.inference_mode()
def run(
    parts: Parts,
    pictures: Sequence[Image.Image],
    noise: Noise,
    *,
    prompts: Sequence[str],
    negative_prompts: Sequence[str],
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    cameras: Sequence[Camera] | None = None,
    told: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Denoise a batch of pictures' views together; returns final latents, (B, V, 4, size / 8, size / 8) float32.

    Args:
        pictures: RGB over mid grey, square; brought to the variant's size.
        noise: a :class:`SeededNoise` or a :class:`GivenNoise`.
        cameras: orthographic, of the V views; None for the rig that the model was trained on.
        told: called before each step with its number; it may raise to stop the run.

    Raises:
        InvalidRequest: steps that are no whole number above 0, or a guidance that is no number.
    """
    check_numbers(steps, guidance)
    listed = rig(RIG) if cameras is None else list(cameras)
    with parts.turn:
        try:
            return _denoise(parts, pictures, noise, prompts, negative_prompts, steps, guidance, listed, told)
        finally:
            parts.reference.clear()


def _denoise(
    parts: Parts,
    pictures: Sequence[Image.Image],
    noise: Noise,
    prompts: Sequence[str],
    negative_prompts: Sequence[str],
    steps: int,
    guidance: float,
    cameras: Sequence[Camera],
    told: Callable[[int], None],
) -> Tensor:
    device, views, halves = parts.device, len(cameras), 2 if guidance > 1 else 1
    text = embed_text(parts, prompts)
    condition = _latents(parts, pictures, noise)
    _see(parts, condition, text, views, guided=halves == 2)
    if halves == 2:
        text = text.after(embed_text(parts, negative_prompts))
    text = text.repeat(views)
    maps = ray_maps(cameras, parts.variant.size).to(device)
    features = [f.to(parts.dtype).repeat(halves * len(pictures), 1, 1, 1) for f in parts.encoder(maps)]
    conditions = _conditions(parts, text)

    sampler = Sampler.of(parts.variant.sampler, parts.scheduler, steps)
    shape = (len(pictures), views, *condition.shape[1:])
    sample = noise.initial(shape).to(device).float().flatten(0, 1) * sampler.start
    for number in range(steps):
        told(number)
        double = torch.cat([sampler.scaled(sample, number)] * halves).to(parts.dtype)
        # A new list each time: the UNet takes the features out of it.
        found = parts.unet(
            double,
            sampler.times[number].to(device),
            text.tokens,
            added_cond_kwargs=conditions,
            down_intrablock_additional_residuals=list(features),
            return_dict=False,
        )[0].float()
        if halves == 2:
            without, with_it = found.chunk(2)
            found = without + guidance * (with_it - without)
        kick = noise.step(number, shape).to(device).flatten(0, 1) if sampler.adds_noise else None
        sample = sampler.step(sample, found, number, kick)
    return sample.unflatten(0, shape[:2])


def _see(parts: Parts, condition: Tensor, text: Text, views: int, guided: bool) -> None:
    """One pass of the base model over the pictures, clean, at time 0: what its layers hold is what views attend to.

    With guidance, the half without a condition attends to zeros.
    """
    reference = parts.reference
    reference.clear()
    reference.views, reference.writing = views, True
    parts.unet(
        condition.to(parts.dtype),
        torch.zeros((), dtype=torch.long, device=parts.device),
        text.tokens,
        added_cond_kwargs=_conditions(parts, text),
        return_dict=False,
    )
    reference.writing = False
    if guided:
        reference.kept = {name: torch.cat([torch.zeros_like(x), x]) for name, x in reference.kept.items()}


@torch.inference_mode()
def decode(parts: Parts, latents: Tensor) -> list[Image.Image]:
    """RGB pictures of (N, 4, h, w) final latents, one after the other to spare memory."""
    made = []
    for one in latents.split(1):
        ready = (one / parts.vae.config.scaling_factor).to(parts.vae.dtype)
        pixels = parts.vae.decode(ready, return_dict=False)[0].float()
        array = ((pixels[0].clamp(-1, 1) + 1) * 127.5 + 0.5).permute(1, 2, 0).cpu().numpy().astype(np.uint8)
        made.append(Image.fromarray(array))
    return made
