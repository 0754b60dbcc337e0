"""Noise from seeds, whatever else runs beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Seeded:
    """Each request draws from a generator of its own on the CPU: a batch of n equals n single runs, anywhere."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """Unit normal, a row of ``shape`` for each request."""
        return torch.cat([torch.randn((1, *shape[1:]), generator=g) for g in self._generators])
