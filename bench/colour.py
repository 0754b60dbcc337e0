"""How well colours are guessed, apart from the outline: measured where both silhouettes are filled."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage

BACK = (112.5, 247.5)
"""Azimuths of the views that show what the picture does not."""


def colour_error(view: np.ndarray, true: np.ndarray) -> float | None:
    """Mean squared error of (H, W, 4) straight colours over the common silhouette; None where there is none."""
    common = (view[..., 3] > 0.5) & (true[..., 3] > 0.5)
    return float(((view[..., :3] - true[..., :3]) ** 2)[common].mean()) if common.any() else None


def gradient_energy(view: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Summed squared gradients of both views' luminance inside the common silhouette, away from its edge."""
    common = ndimage.binary_erosion((view[..., 3] > 0.5) & (true[..., 3] > 0.5), iterations=2)
    found = []
    for picture in (view, true):
        down, across = np.gradient(picture[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32))
        found.append(float((down**2 + across**2)[common].sum()))
    return found[0], found[1]


@cache
def _encoder() -> Any:
    """The frozen ImageNet encoder that training starts from, or None without the training extra."""
    try:
        import torch

        from training.network import LiftNetwork

        torch.manual_seed(0)
        network = LiftNetwork()
        network.encoder.load_imagenet()
    except ImportError:
        return None
    return network.encoder.eval()


def feature_distance(view: np.ndarray, true: np.ndarray) -> float:
    """Like LPIPS (Zhang et al. 2018) without its learned weights: the mean squared distance of unit features.

    Of (H, W, 4) views over white, in EfficientNet-Lite0 at strides 2 to 16; NaN without the training extra.
    """
    encoder = _encoder()
    if encoder is None:
        return float("nan")
    import torch

    whites = [picture[..., :3] * picture[..., 3:] + 1 - picture[..., 3:] for picture in (view, true)]
    both = torch.from_numpy(np.stack(whites).transpose(0, 3, 1, 2).astype(np.float32)) * 2 - 1
    both = torch.cat([both, torch.ones_like(both[:, :1])], 1)
    with torch.no_grad():
        stages = encoder(both)[:4]
    apart = []
    for features in stages:
        unit = features / features.norm(dim=1, keepdim=True).clamp(min=1e-6)
        apart.append(float(((unit[0] - unit[1]) ** 2).sum(0).mean()))
    return float(np.mean(apart))
