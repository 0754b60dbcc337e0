"""The upscaling network: residual blocks at the small picture's size, one head for each scale.

What is learned is added to Lanczos' interpolation, which is a convolution before the shuffle of pixels and learns too
(sub-pixel convolution: Shi et al. 2016; compact networks without normalisation: SRVGG, Wang et al. 2021).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES = (2, 3, 4)
CHANNELS = 32
BLOCKS = 6
TAPS = 7
"""Width of the interpolation's kernels."""


def lanczos_kernels(scale: int) -> Tensor:
    """(3·scale², 1, TAPS, TAPS): Lanczos-3 at every sub-pixel, in the order of a pixel shuffle."""
    at = (np.arange(scale) + 0.5) / scale - 0.5
    away = at[:, None] - np.arange(-(TAPS // 2), TAPS // 2 + 1)
    weights = np.where(np.abs(away) < 3, np.sinc(away) * np.sinc(away / 3), 0)
    weights /= weights.sum(1, keepdims=True)
    both = np.einsum("iy,jx->ijyx", weights, weights).reshape(scale * scale, 1, TAPS, TAPS)
    return torch.from_numpy(np.tile(both, (3, 1, 1, 1)).astype(np.float32))


class Block(nn.Module):
    """Two convolutions whose result is added."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.bend = nn.PReLU(CHANNELS, init=0.1)
        self.second = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        with torch.no_grad():
            self.second.weight *= 0.3

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.bend(self.first(x)))


class Head(nn.Module):
    """From features and the small picture to one ``scale`` times as large."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.detail = nn.Conv2d(CHANNELS, 3 * scale * scale, 3, padding=1)
        self.plain = nn.Conv2d(3, 3 * scale * scale, TAPS, groups=3, bias=False)
        with torch.no_grad():
            self.detail.weight *= 0.1
            self.detail.bias.zero_()  # type: ignore[union-attr]
            self.plain.weight.copy_(lanczos_kernels(scale))

    def forward(self, features: Tensor, picture: Tensor) -> Tensor:
        edge = F.pad(picture, (TAPS // 2,) * 4, mode="replicate")
        return F.pixel_shuffle(self.detail(features) + self.plain(edge), self.scale)


class UpscaleNetwork(nn.Module):
    """(B, 3, H, W) in [0, 1] to (B, 3, scale·H, scale·W)."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.end = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.heads = nn.ModuleDict({str(scale): Head(scale) for scale in SCALES})

    def forward(self, picture: Tensor, scale: int) -> Tensor:
        features = self.begin(picture - 0.5)
        features = features + self.end(self.blocks(features))
        large: Tensor = self.heads[str(scale)](features, picture)
        return large
