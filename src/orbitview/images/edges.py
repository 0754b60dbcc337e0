"""A cut at the picture's own edges, and the object's own colours there."""

from __future__ import annotations

import cv2
import numpy as np

from ..arrays import Bytes, Floats

_GUIDE = 700
"""Longest side at which the filter's coefficients are found; they are applied at the picture's own."""
_RADIUS, _EPSILON = 3, 1e-4


def sharpened(rgb: Bytes, likely: Floats) -> Floats:
    """(H, W) alpha in [0, 1]: a coarse cut brought to the edges of an (H, W, 3) picture.

    A guided filter with a colour guide (He et al. 2013), whose coefficients are found on a smaller picture (He and
    Sun 2015). It works within a few pixels of the cut alone: what lies far inside or outside stays as it was.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _GUIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    guide = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    coarse = np.clip(cv2.resize(likely, size, interpolation=cv2.INTER_LINEAR), 0, 1)
    *slopes, offset, fit = (
        cv2.resize(c, (width, height), interpolation=cv2.INTER_LINEAR) for c in _coefficients(guide, coarse)
    )
    alpha = offset
    for slope, channel in zip(slopes, cv2.split(rgb), strict=True):
        alpha += slope * (channel * np.float32(1 / 255))
    alpha = np.clip((alpha - 0.1) / 0.8, 0, 1)
    # Where colours do not tell object from background the network's own cut stays.
    plain = cv2.resize(likely, (width, height), interpolation=cv2.INTER_CUBIC)
    alpha = plain + fit * (alpha - plain)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RADIUS + 1,) * 2)
    least = cv2.resize(cv2.erode(coarse, kernel), (width, height), interpolation=cv2.INTER_LINEAR)
    most = cv2.resize(cv2.dilate(coarse, kernel), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(least > 0.9, 1, np.where(most < 0.1, 0, alpha)), np.float32)


def _coefficients(guide: Floats, values: Floats) -> list[Floats]:
    """Three slopes, offset and fit, each (H, W), of the linear models over each window, averaged."""

    def mean(x: Floats) -> Floats:
        return np.asarray(cv2.blur(x, (2 * _RADIUS + 1,) * 2), np.float32)

    planes = cv2.split(guide)  # one by one: what lies side by side in memory is added up twice as fast
    level, centres = mean(values), [mean(plane) for plane in planes]
    cross = [mean(plane * values) - centre * level for plane, centre in zip(planes, centres, strict=True)]
    pairs = {(i, j): mean(planes[i] * planes[j]) - centres[i] * centres[j] for i in range(3) for j in range(i, 3)}
    a, b, c, d, e, f = (pairs[k] + (_EPSILON if k[0] == k[1] else 0) for k in sorted(pairs))
    # The 3×3 covariance's inverse by cofactors; rows (a b c), (b d e), (c e f).
    cofactors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    size = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    rows = ((0, 1, 2), (1, 3, 4), (2, 4, 5))
    slopes = [sum(cofactors[k] * cross[n] for n, k in enumerate(row)) / size for row in rows]
    offset = level - sum(slope * centre for slope, centre in zip(slopes, centres, strict=True))
    spread = np.maximum(mean(values * values) - level * level, 1e-5)
    fit = np.clip(sum(slope * one for slope, one in zip(slopes, cross, strict=True)) / spread, 0, 1)
    return [mean(np.asarray(x, np.float32)) for x in (*slopes, offset, fit)]


def own_colours(rgb: Bytes, alpha: Floats) -> Bytes:
    """The picture with the background's colour taken out of half-transparent pixels.

    Blur fusion (Forte 2021): foreground and background are averaged apart around each pixel, on a smaller picture, then
    put right by what the picture shows there.
    """
    rows, columns = np.nonzero((alpha > 0.004) & (alpha < 0.996))
    if not len(rows):
        return rgb
    height, width = alpha.shape
    scale = min(1.0, _GUIDE / 2 / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    colour = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    box = (2 * max(2, max(size) // 80) + 1,) * 2

    def around(weight: Floats) -> Floats:
        mean = cv2.blur(colour * weight[..., None], box) / np.maximum(cv2.blur(weight, box), 1e-4)[..., None]
        return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)[rows, columns])

    fore, back, own = around(share), around(1 - share), alpha[rows, columns][:, None]
    mended = rgb.copy()
    right = fore + own * (rgb[rows, columns] - own * fore - (1 - own) * back)
    mended[rows, columns] = np.clip(right + 0.5, 0, 255).astype(np.uint8)
    return mended
