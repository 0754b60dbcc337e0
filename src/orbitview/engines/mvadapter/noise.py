"""Where a run's noise comes from: seeds, or tensors that the caller states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..seeds import Seeded


class Noise(Protocol):
    """Unit normal noise for each use, whatever the device; B counts requests, V views."""

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """(B, 4, h, w), to sample the pictures' latents from the VAE's distribution."""
        ...

    def initial(self, shape: tuple[int, ...]) -> Tensor:
        """(B, V, 4, h, w), the sample that denoising starts from, before it is scaled."""
        ...

    def step(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """(B, V, 4, h, w), added after a step by samplers that add any (``ddpm``)."""
        ...


class SeededNoise(Seeded):
    """See :class:`Seeded`."""

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self.draw(shape)

    initial = encode

    def step(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self.draw(shape)


class GivenNoise:
    """Explicit tensors, for comparisons with another implementation.

    Args:
        initial: (B, V, 4, h, w).
        steps: one tensor a step, likewise; needed where the sampler adds noise.
        encode: None takes the mean of the VAE's distribution.
    """

    def __init__(self, initial: Tensor, steps: Sequence[Tensor] = (), encode: Tensor | None = None) -> None:
        self._initial, self._steps, self._encode = initial, steps, encode

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._encode if self._encode is not None else torch.zeros(shape)

    def initial(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._initial

    def step(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._steps[number]
