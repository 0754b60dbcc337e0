"""The denoising run, from pictures to six tiles: see the report (arXiv 2310.15110) for why each step is there."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..diffusion import check_numbers
from ..diffusion import over_grey as over_grey
from ..whole import check_files, check_tensors, found, reading, unfit
from .attention import ReferenceStore, install
from .files import EXTRAS, FILES, TENSORS
from .graphs import Graphs
from .noise import Noise

WIDTH, HEIGHT = 640, 960
"""Of the one picture that holds all six tiles."""
WORTH_RECORDING = 8
"""Steps from which a CUDA graph pays: to record one takes about as long as three steps."""


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
    device: torch.device
    """Where the networks run, whether or not their weights stay there."""
    graphs: Graphs = field(default_factory=Graphs)
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by a run: the store and the recorded steps serve one at a time."""

    @property
    def networks(self) -> list[Any]:
        """All of them."""
        return [self.vae, self.text_encoder, self.unet, self.vision_encoder]

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in."""
        return cast(torch.dtype, self.unet.dtype)

    def bytes(self) -> float:
        """Of all parameters."""
        return float(sum(p.numel() * p.element_size() for m in self.networks for p in m.parameters()))


def load_parts(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Parts:
    """Load the published folder layout; reads local files only and runs no code from them.

    Raises:
        EngineUnavailable: a file is missing, is cut short, or has not the tensors that it should have.
    """
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

    check_files(folder, [found(folder, names) for names in FILES])
    check_files(folder, [name for name in EXTRAS if (folder / name).exists()])

    def network(kind: Any, name: str) -> Any:
        file = found(folder, TENSORS[name])
        with reading(folder, file):
            loaded, told = kind.from_pretrained(
                str(folder / name), torch_dtype=dtype, local_files_only=True, output_loading_info=True
            )
            check_tensors(
                folder, file, *(told.get(f"{what}_keys") or () for what in ("missing", "unexpected", "mismatched"))
            )
        return loaded.to(device).eval().requires_grad_(False)

    def config(name: str, *needed: str) -> dict[str, Any]:
        read = cast(dict[str, Any], json.loads((folder / name).read_text("utf-8")))
        for key in needed:
            if key not in read:
                raise unfit(folder, name, f"does not say {key}")
        return read

    with reading(folder, "tokenizer/vocab.json"):
        tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    with reading(folder, "scheduler/scheduler_config.json"):
        scheduler = EulerAncestralDiscreteScheduler.from_pretrained(
            str(folder / "scheduler"), local_files_only=True, timestep_spacing="trailing"
        )
    with reading(folder, "model_index.json"):
        ramp = torch.tensor(config("model_index.json", "ramping_coefficients")["ramping_coefficients"]).float()
        if ramp.shape != (tokenizer.model_max_length,):
            raise unfit(folder, "model_index.json", f"has not {tokenizer.model_max_length} ramping_coefficients")
    for_vae, for_clip = (
        config(f"feature_extractor_{name}/preprocessor_config.json", "image_mean", "image_std")
        for name in ("vae", "clip")
    )
    unet = network(UNet2DConditionModel, "unet")
    return Parts(
        vae=network(AutoencoderKL, "vae"),
        text_encoder=network(CLIPTextModel, "text_encoder"),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        vision_encoder=network(CLIPVisionModelWithProjection, "vision_encoder"),
        for_vae=for_vae,
        for_clip=for_clip,
        ramp=ramp,
        store=install(unet),
        device=torch.device(device),
    )


def compile_unet(parts: Parts) -> None:
    """Compile the UNet, anew for each size of a batch: a bucket's two passes, with and without guidance."""
    limits = torch._dynamo.config
    name = "recompile_limit" if hasattr(limits, "recompile_limit") else "cache_size_limit"  # before torch 2.7
    setattr(limits, name, max(getattr(limits, name), 64))
    parts.unet.compile(dynamic=False)


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


@dataclass
class _State:
    """What the steps of one run read and change, all on the device; nothing is copied there between steps.

    S steps, B requests, G = 2 with guidance (the empty pictures' half first), else 1.

    Attributes:
        condition: (G B, 4, h, w) latents of the pictures.
        text: (G B, 77, C) embeddings.
        sigmas, times: (S + 1,) and (S,).
        grains: (S, G B, 4, h, w) noise on the condition.
        kicks: (S, B, 4, H, W) noise of the ancestral sampler.
        guidance: (1,).
        sample: (B, 4, H, W), changed by every step.
        number: (1,) of the next step.
    """

    condition: Tensor
    text: Tensor
    sigmas: Tensor
    times: Tensor
    grains: Tensor
    kicks: Tensor
    guidance: Tensor
    sample: Tensor
    number: Tensor

    def key(self) -> object:
        """Shapes of everything."""
        return tuple((tuple(t.shape), t.dtype) for t in vars(self).values())

    def take(self, other: _State) -> None:
        """Copy another run's tensors into these."""
        for name, value in vars(self).items():
            value.copy_(getattr(other, name))

    def copy(self) -> _State:
        """The same elsewhere."""
        return _State(**{name: value.clone() for name, value in vars(self).items()})


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
    graphs: bool = False,
) -> Tensor:
    """Denoise a batch of pictures together; returns their final latents, (B, 4, height / 8, width / 8) float32.

    Args:
        pictures: RGB over mid grey, square.
        noise: a :class:`SeededNoise` or a :class:`GivenNoise`.
        told: called before each step with its number; it may raise to stop the run.
        graphs: on a CUDA device, record the step once for each size of a batch and replay it.

    Raises:
        InvalidRequest: steps that are no whole number above 0, or a guidance that is no number.
    """
    check_numbers(steps, guidance)
    with parts.turn:
        state = _prepare(parts, pictures, noise, prompts, negative_prompts, steps, guidance, (height, width))
        recorded = graphs and steps >= WORTH_RECORDING and parts.device.type == "cuda"
        return _denoise(parts, state, steps, told, recorded)


def _denoise(parts: Parts, state: _State, steps: int, told: Callable[[int], None], graphs: bool) -> Tensor:
    """All steps; the sample after the last one."""
    advance: Callable[[], None] = partial(_step, parts, state)
    recent: deque[Any] = deque()
    if graphs:
        replay = parts.graphs.prepare(state, partial(_step, parts))
        if replay is not None:
            state, advance = replay
    try:
        for number in range(steps):
            told(number)
            advance()
            if parts.device.type == "cuda":  # two steps ahead at most, so that progress is true and a stop soon
                recent.append(torch.cuda.current_stream().record_event())
                if len(recent) > 2:
                    recent.popleft().synchronize()
    finally:
        parts.store.kept.clear()
        parts.store.writing = False
    return state.sample.clone()


def _prepare(
    parts: Parts,
    pictures: Sequence[Image.Image],
    noise: Noise,
    prompts: Sequence[str] | None,
    negative_prompts: Sequence[str] | None,
    steps: int,
    guidance: float,
    size: tuple[int, int],
) -> _State:
    """Everything that comes before the first step; all noise is drawn here, and uploaded at once."""
    count, guided, device = len(pictures), guidance > 1, parts.device
    pixels = torch.stack([prepare(picture, parts.for_vae) for picture in pictures])
    factor = 2 ** (len(parts.vae.config.block_out_channels) - 1)
    small = (count, parts.vae.config.latent_channels, pixels.shape[2] // factor, pixels.shape[3] // factor)
    condition = _latents(parts, pixels, noise.encode(small))
    seen = torch.stack([prepare(picture, parts.for_clip) for picture in pictures])
    whole = parts.vision_encoder(seen.to(device, parts.dtype)).image_embeds
    text = embed_text(parts, prompts or [""] * count)
    text = text + whole[:, None] * parts.ramp.to(text)[None, :, None]
    if guided:
        nothing = _latents(parts, torch.zeros_like(pixels), noise.encode_negative(small))
        condition = torch.cat([nothing, condition])
        text = torch.cat([embed_text(parts, negative_prompts or [""] * count), text])
    parts.scheduler.set_timesteps(steps, device=device)
    sigmas = parts.scheduler.sigmas.float().to(device)
    large = (count, parts.unet.config.in_channels, size[0] // factor, size[1] // factor)
    initial = noise.initial(large)
    grains, kicks = [], []
    for number in range(steps):
        grains.append(noise.reference(number, tuple(condition.shape)).float())
        kicks.append(noise.ancestral(number, large).float())
    return _State(
        condition=condition,
        text=text.to(parts.dtype),
        sigmas=sigmas,
        times=parts.scheduler.timesteps.to(device),
        grains=torch.stack(grains).to(device),
        kicks=torch.stack(kicks).to(device),
        guidance=torch.tensor([float(guidance)], device=device),
        sample=initial.to(device).float() * sigmas.max(),
        number=torch.zeros(1, dtype=torch.long, device=device),
    )


def _step(parts: Parts, state: _State) -> None:
    """One step, without a word from the CPU: what differs between steps is looked up by ``state.number``."""
    at, store, text = state.number, parts.store, state.text
    guided = len(state.condition) > len(state.sample)
    sigma, after = state.sigmas.index_select(0, at), state.sigmas.index_select(0, at + 1)
    time = state.times.index_select(0, at)
    shrink = 1 / (sigma**2 + 1).sqrt()
    # The reference is noised to the step's level and scaled as the sample is.
    grain = state.grains.index_select(0, at)[0]
    store.kept.clear()
    store.writing = True
    parts.unet(((state.condition + sigma * grain) * shrink).to(parts.dtype), time, text, return_dict=False)
    store.writing = False
    double = torch.cat([state.sample, state.sample]) if guided else state.sample
    velocity = parts.unet((double * shrink).to(parts.dtype), time, text, return_dict=False)[0].float()
    if guided:
        without, with_it = velocity.chunk(2)
        velocity = without + state.guidance * (with_it - without)
    state.sample.copy_(_euler_ancestral(state.sample, velocity, sigma, after, state.kicks.index_select(0, at)[0]))
    state.number.add_(1)


def _euler_ancestral(sample: Tensor, velocity: Tensor, now: Tensor, after: Tensor, kick: Tensor) -> Tensor:
    """One step of the Euler ancestral sampler for v-prediction, in float32."""
    clean = sample / (now**2 + 1) - velocity * now / (now**2 + 1).sqrt()
    up = (after**2 * (now**2 - after**2) / now**2).clamp(min=0).sqrt()
    down = (after**2 - up**2).clamp(min=0).sqrt()
    return sample + (sample - clean) / now * (down - now) + kick * up


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
