"""What a picture's own alpha means: a cut-out, a veil over all of it, or a frame around a photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Bytes


def unveiled(alpha: Bytes) -> Bytes:
    """Alpha whose highest values are opaque: an object that is translucent all over is an object all the same."""
    shown = alpha[alpha > 12]
    top = float(np.percentile(shown, 95)) if len(shown) else 255.0
    if top >= 235:
        return alpha
    return np.asarray(np.clip(alpha * (255 / top) + 0.5, 0, 255), np.uint8)


def cuts(alpha: Bytes) -> bool:
    """Whether it leaves anything out."""
    return bool((alpha < 128).mean() > 0.002)


def may_frame(alpha: Bytes) -> bool:
    """Whether it has the shape of a photograph's frame: rounded corners, letterbox bars, a photograph turned upright.

    What is opaque then fills its bounding rectangle, or an inclined one, and reaches two opposite sides of the picture.
    A card cut out with a margin around it reaches none.
    """
    inside = (alpha > 127).astype(np.uint8)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return False
    slack = max(1, max(alpha.shape) // 100)
    high = rows[0] <= slack and rows[-1] >= len(alpha) - 1 - slack
    wide = columns[0] <= slack and columns[-1] >= alpha.shape[1] - 1 - slack
    if not (high or wide):
        return False
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    area = cv2.contourArea(largest)
    hull, (_, sides, _) = cv2.contourArea(cv2.convexHull(largest)), cv2.minAreaRect(largest)
    bounding = float((np.ptp(rows) + 1) * (np.ptp(columns) + 1))
    filled = area / max(1.0, min(bounding, max(1.0, sides[0] * sides[1])))
    return bool(inside.sum() > 0.95 * area and area > 0.98 * hull and filled > 0.9 and area > 0.3 * alpha.size)


def filled(rgb: Bytes, alpha: Bytes) -> Bytes:
    """The picture with its nearest opaque colour wherever it is transparent."""
    outside = (alpha < 250).astype(np.uint8)
    if outside.all() or not outside.any():
        return rgb
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(int(labels.max()) + 1, np.int64)
    inside = np.flatnonzero(outside.ravel() == 0)
    source[labels.ravel()[inside]] = inside
    return np.asarray(rgb.reshape(-1, 3)[source[labels]])


def is_frame_of(alpha: Bytes, found: NDArray[np.float32]) -> bool:
    """Whether the object ``found`` (H, W) stands free within what ``alpha`` leaves, as in a photograph."""
    inside = (alpha > 127).astype(np.uint8)
    depth = max(2, round(0.02 * min(alpha.shape)))
    rim = (inside > 0) & (cv2.erode(np.pad(inside, 1), np.ones((2 * depth + 1,) * 2, np.uint8))[1:-1, 1:-1] == 0)
    object_ = (found > 0.5) & (inside > 0)
    return bool(0.01 < object_.sum() / max(1, inside.sum()) < 0.8 and object_[rim].mean() < 0.4)
