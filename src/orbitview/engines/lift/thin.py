"""Parts thinner than the surface's cells: poles, needles, strings. They are kept as thin tubes along their axes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from .frustum import Floats

_THIN = 1.8
"""Cells across: what is thinner is kept by its axis."""
_LONG = 4
"""Cells along: what is shorter is a corner, or a speck."""
_EVEN = 3.0
"""Blur of a tube's depth along its axis, in cells."""
_DEEP = 0.8
"""Half the depth of a tube, in bins."""


def axes_of_thin_parts(matte: Floats, cells: int) -> NDArray[np.bool_]:
    """(cells, cells): where the axis of a thin part runs, joined edge to edge.

    Args:
        matte: (T, T) alpha in [0, 1].
    """
    found = np.zeros((cells, cells), bool)
    cell = len(matte) / cells
    mask = (matte > 0.35).astype(np.uint8)
    width = max(3, round(_THIN * cell)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    rest = mask & ~cv2.dilate(thick, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
    long = 1 + np.flatnonzero(stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1) >= _LONG * cell)
    if count < 2 or not len(long):
        return found
    axis = skeletonize(np.isin(labels, long))
    # One step thicker, so that cells met at a corner are joined by their edges, and the axis reaches what it stands on.
    rows, columns = np.nonzero(cv2.dilate(axis.astype(np.uint8), np.ones((3, 3), np.uint8)))
    found[(rows / cell).astype(int).clip(max=cells - 1), (columns / cell).astype(int).clip(max=cells - 1)] = True
    return found


def with_thin_parts(field: Floats, axes: NDArray[np.bool_], height: float) -> Floats:
    """The field with a tube along the axes, as deep in the frustum as the field says there and nearby.

    Args:
        field: (bins, cells, cells), positive inside.
        axes: of :func:`axes_of_thin_parts`.
        height: the field's value on an axis.
    """
    if not axes.any():
        return field
    bins = np.arange(len(field), dtype=np.float32)[:, None]
    filled = 1 / (1 + np.exp(-3 * field[:, axes]))
    depth = np.zeros(axes.shape, np.float32)
    depth[axes] = (filled * bins).sum(0) / np.maximum(filled.sum(0), 1e-6)
    weight = ndimage.gaussian_filter(axes.astype(np.float32), _EVEN)
    even = (ndimage.gaussian_filter(depth, _EVEN) / np.maximum(weight, 1e-6))[axes]
    tube = height * (1 - np.abs(bins - even) / _DEEP)
    field = field.copy()
    field[:, axes] = np.maximum(field[:, axes], tube)
    return np.asarray(field, np.float32)
