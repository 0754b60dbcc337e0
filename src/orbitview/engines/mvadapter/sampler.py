"""The noise schedule, shifted for many views, and one step of the two samplers that the published scripts recommend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .variants import SHIFT

Kind = Literal["euler", "ddpm"]


def shifted_betas(alphas_cumprod: Tensor, shift: float = SHIFT) -> Tensor:
    """(T,) betas of a schedule whose signal-to-noise ratio falls to its ``shift``-th part over the T training steps.

    The published "interpolated" mode: the logarithms of the ratios before and after the shift are mixed, linearly over
    time.
    """
    alpha, sigma = alphas_cumprod.float() ** 0.5, (1.0 - alphas_cumprod.float()) ** 0.5
    ratio = (alpha / sigma) ** 2
    weight = torch.arange(len(ratio), dtype=torch.float32) / (len(ratio) - 1)
    ratio = torch.exp(torch.log(ratio) * (1 - weight) + torch.log(ratio / shift) * weight)
    kept = ratio / (1 + ratio)
    return 1 - kept / torch.cat([torch.ones(1), kept[:-1]])


def shifted_scheduler(kind: Kind, folder: str) -> Any:
    """diffusers' scheduler of that kind by the base model's configuration, its schedule shifted."""
    from diffusers import DDPMScheduler, EulerDiscreteScheduler

    made = {"euler": EulerDiscreteScheduler, "ddpm": DDPMScheduler}[kind]
    base = made.from_pretrained(folder, local_files_only=True)
    return made.from_config(base.config, trained_betas=shifted_betas(base.alphas_cumprod).tolist())


@dataclass
class Sampler:
    """The steps of one run; the scheduler says when and how noisy they are, what they do is written here.

    Attributes:
        times: (S,) as the UNet is told them.
        start: what unit noise is multiplied by at first.
    """

    kind: Kind
    prediction: str
    times: Tensor
    start: float
    _levels: Tensor
    """Euler: (S + 1,) sigmas. DDPM: (S + 1,) products of alphas, 1 at the end."""
    _limit: float | None = None
    """DDPM: what clean samples are clipped to, where the configuration says so."""

    @classmethod
    def of(cls, kind: Kind, scheduler: Any, steps: int) -> Sampler:
        """For ``steps`` steps."""
        scheduler.set_timesteps(steps)
        times = scheduler.timesteps
        limit = None
        if kind == "euler":
            levels = scheduler.sigmas.float()
        else:
            levels = torch.cat([scheduler.alphas_cumprod[times.long()].float(), torch.ones(1)])
            limit = float(scheduler.config.clip_sample_range) if scheduler.config.clip_sample else None
        return cls(kind, scheduler.config.prediction_type, times, float(scheduler.init_noise_sigma), levels, limit)

    @property
    def adds_noise(self) -> bool:
        """Whether steps add noise."""
        return self.kind == "ddpm"

    def scaled(self, sample: Tensor, number: int) -> Tensor:
        """The sample as the UNet wants it."""
        return sample / (self._levels[number] ** 2 + 1) ** 0.5 if self.kind == "euler" else sample

    def step(self, sample: Tensor, told: Tensor, number: int, noise: Tensor | None) -> Tensor:
        """The sample after a step, in float32.

        Args:
            told: what the UNet made of it: noise, or velocity, by ``prediction``.
            noise: unit noise, where the sampler adds some.
        """
        if self.kind == "euler":
            sigma, after = self._levels[number], self._levels[number + 1]
            clean = sample - sigma * told
            if self.prediction == "v_prediction":
                clean = sample / (sigma**2 + 1) - told * sigma / (sigma**2 + 1) ** 0.5
            return sample + (sample - clean) / sigma * (after - sigma)
        # Ancestral sampling with the smaller of the two variances (Ho et al. 2020, equations 7 and 15).
        now, after = self._levels[number], self._levels[number + 1]
        clean = (sample - (1 - now) ** 0.5 * told) / now**0.5
        if self.prediction == "v_prediction":
            clean = now**0.5 * sample - (1 - now) ** 0.5 * told
        if self._limit is not None:
            clean = clean.clamp(-self._limit, self._limit)
        alpha = now / after
        mean = (after**0.5 * (1 - alpha) * clean + alpha**0.5 * (1 - after) * sample) / (1 - now)
        variance = ((1 - after) / (1 - now) * (1 - alpha)).clamp(min=1e-20)
        return mean if noise is None else mean + variance**0.5 * noise
