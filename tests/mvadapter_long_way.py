"""The published procedure of MV-Adapter, written down again the long way: view by view and row by row."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import orbitview
from orbitview.engines.mvadapter.noise import GivenNoise
from orbitview.engines.mvadapter.parts import Parts, load_parts
from orbitview.engines.mvadapter.variants import Variant

WORDS = {"prompts": ["ab a"], "negative_prompts": ["b"]}


def published_rays(azimuth: float, elevation: float = 0.0) -> np.ndarray:
    """As the published camera has it: z up, OpenGL axes, azimuths counted from x, so that -90 is the front; the world
    to camera matrix with y and z turned over; then the direction and the normalised position."""
    a, e = math.radians(azimuth - 90), math.radians(elevation)
    position = 1.8 * np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    look = -position / np.linalg.norm(position)
    right = np.cross(look, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.column_stack([right, np.cross(right, look), -look, position])
    inverse = np.linalg.inv(pose)
    inverse[1:3] *= -1
    rotation, move = inverse[:3, :3], inverse[:3, 3]
    place = -rotation.T @ move
    return np.concatenate([rotation.T @ [0, 0, 1], place / np.linalg.norm(place)])


class LongWay:
    """The published processors written down again, view by view: no batching, no shared keys."""

    def __init__(self, parts: Parts, views: int) -> None:
        self.views, self.kept, self.writing = views, dict[str, torch.Tensor](), False
        self.state = {n: t for n, t in parts.unet.state_dict().items() if ".processor." in n}
        parts.unet.set_attn_processor(
            {name: self._own(name) if ".attn1." in name else self._cross for name in parts.unet.attn_processors}
        )

    def _cross(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):  # type: ignore[no-untyped-def]
        found = self._attend(attn, *(f(x) for f, x in zip((attn.to_q, attn.to_k, attn.to_v),
                             (hidden_states, encoder_hidden_states, encoder_hidden_states), strict=True)))  # fmt: skip
        return attn.to_out[0](found)

    def _attend(self, attn: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (attn.head_to_batch_dim(x) for x in (q, k, v))
        scores = torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1)
        return attn.batch_to_head_dim(scores @ v)  # type: ignore[no-any-return]

    def _own(self, name: str):  # type: ignore[no-untyped-def]
        def weight(part: str) -> torch.Tensor:
            return self.state[f"{name}.{part}"]

        def call(attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):  # type: ignore[no-untyped-def]
            x = hidden_states
            out = attn.to_out[0](self._attend(attn, attn.to_q(x), attn.to_k(x), attn.to_v(x)))
            if self.writing:
                self.kept[name] = x.clone()
                return out
            side = math.isqrt(x.shape[1])
            for view in range(len(x)):
                group = view // self.views * self.views
                for row in range(side):
                    tokens = slice(row * side, (row + 1) * side)
                    seen = torch.cat([x[other, tokens] for other in range(group, group + self.views)])[None]
                    q = x[view : view + 1, tokens] @ weight("to_q_mv.weight").T
                    found = self._attend(attn, q, seen @ weight("to_k_mv.weight").T, seen @ weight("to_v_mv.weight").T)
                    out[view, tokens] += (found @ weight("to_out_mv.0.weight").T + weight("to_out_mv.0.bias"))[0]
                told = self.kept[name][view // self.views][None]
                q = x[view : view + 1] @ weight("to_q_ref.weight").T
                found = self._attend(attn, q, told @ weight("to_k_ref.weight").T, told @ weight("to_v_ref.weight").T)
                out[view] += (found @ weight("to_out_ref.0.weight").T + weight("to_out_ref.0.bias"))[0]
            return out

        return call


def long_way(folder: Path, variant: Variant, picture: Image.Image, noise: GivenNoise, steps: int) -> torch.Tensor:
    """The published run with guidance 3: the library's own scheduler on the shifted schedule, processors as above."""
    from diffusers import DDPMScheduler, EulerDiscreteScheduler
    from diffusers.schedulers import scheduling_ddpm
    from diffusers.utils import torch_utils

    parts = load_parts(folder, variant)
    views = len(orbitview.rig("mvadapter-6"))
    base = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    ratio = base / (1 - base) * 8.0 ** -(np.arange(1000) / 999)
    kept = ratio / (1 + ratio)
    betas = 1 - kept / np.concatenate([[1.0], kept[:-1]])
    kind = EulerDiscreteScheduler if variant.wide else DDPMScheduler
    scheduler = kind.from_config(parts.scheduler.config, trained_betas=betas.tolist())
    own = LongWay(parts, views)

    def words(text: str) -> tuple[torch.Tensor, torch.Tensor]:
        found = []
        for tokenizer, encoder in zip(parts.tokenizers, parts.text_encoders, strict=True):
            ids = tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            found.append(encoder(ids, output_hidden_states=True))
        if not variant.wide:
            return found[0].last_hidden_state, torch.zeros(1, 0)
        return torch.cat([f.hidden_states[-2] for f in found], -1), found[1].text_embeds

    with torch.no_grad():
        (yes, whole), (no, no_whole) = words(WORDS["prompts"][0]), words(WORDS["negative_prompts"][0])
        sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]])

        def added(embeds: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"text_embeds": embeds, "time_ids": sizes.repeat(len(embeds), 1)} if variant.wide else {}

        pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
        told = parts.vae.encode(pixels).latent_dist
        clean = (told.mean + told.std * noise.encode(())) * parts.vae.config.scaling_factor
        own.writing = True
        parts.unet(clean, torch.tensor(0), yes, added_cond_kwargs=added(whole))
        own.writing = False
        own.kept = {name: torch.cat([torch.zeros_like(x), x]) for name, x in own.kept.items()}
        text = torch.cat([no.repeat(views, 1, 1), yes.repeat(views, 1, 1)])
        wholes = torch.cat([no_whole.repeat(views, 1), whole.repeat(views, 1)])
        control = np.stack([published_rays(c.azimuth) for c in orbitview.rig("mvadapter-6")])
        control = np.repeat(np.repeat(np.clip((control + 1) / 2, 0, 1)[:, :, None, None], 64, 2), 64, 3)
        features = parts.encoder(torch.from_numpy(control).float().repeat(2, 1, 1, 1))
        scheduler.set_timesteps(steps)
        sample = noise.initial(())[0] * scheduler.init_noise_sigma
        for number, time in enumerate(scheduler.timesteps):
            ready = scheduler.scale_model_input(torch.cat([sample] * 2), time)
            out = parts.unet(
                ready, time, text, added_cond_kwargs=added(wholes),
                down_intrablock_additional_residuals=[f.clone() for f in features],
            )[0]  # fmt: skip
            without, with_it = out.chunk(2)
            out = without + 3.0 * (with_it - without)
            if not variant.wide:
                drawn = noise.step(number, ())[0]
                scheduling_ddpm.randn_tensor = lambda *_, drawn=drawn, **__: drawn
            try:
                sample = scheduler.step(out, time, sample).prev_sample
            finally:
                scheduling_ddpm.randn_tensor = torch_utils.randn_tensor
    return sample[None]
