"""Where a run's noise comes from: seeds, or tensors that the caller states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..seeds import Seeded


class Noise(Protocol):
    """Unit normal noise for each use, (B, 4, H, W), whatever the device; B counts requests."""

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """To sample the picture's latents from the VAE's distribution."""
        ...

    def encode_negative(self, shape: tuple[int, ...]) -> Tensor:
        """The same for the empty picture."""
        ...

    def initial(self, shape: tuple[int, ...]) -> Tensor:
        """The sample that denoising starts from, before it is scaled."""
        ...

    def reference(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """On the reference latents at a step; with guidance (2 B, …): the empty pictures', then the pictures'."""
        ...

    def ancestral(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """Added by the ancestral sampler after a step."""
        ...


class SeededNoise(Seeded):
    """See :class:`Seeded`."""

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self.draw(shape)

    encode_negative = encode
    initial = encode

    def reference(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        parts = shape[0] // len(self._generators)
        return torch.cat([self.draw(shape) for _ in range(parts)])

    def ancestral(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self.draw(shape)


class GivenNoise:
    """Explicit tensors, for comparisons with another implementation.

    Args:
        initial: (B, 4, H, W).
        reference, ancestral: one tensor a step.
        encode, encode_negative: None takes the mean of the VAE's distribution.
    """

    def __init__(
        self,
        initial: Tensor,
        reference: Sequence[Tensor],
        ancestral: Sequence[Tensor],
        encode: Tensor | None = None,
        encode_negative: Tensor | None = None,
    ) -> None:
        self._initial, self._reference, self._ancestral = initial, reference, ancestral
        self._encode, self._encode_negative = encode, encode_negative

    def encode(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._encode if self._encode is not None else torch.zeros(shape)

    def encode_negative(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._encode_negative if self._encode_negative is not None else torch.zeros(shape)

    def initial(self, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._initial

    def reference(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._reference[step]

    def ancestral(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """See :class:`Noise`."""
        return self._ancestral[step]
