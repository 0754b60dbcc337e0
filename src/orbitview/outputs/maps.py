"""Depth and normals as pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..errors import InvalidRequest
from ..view import View


def depth_picture(view: View, near: float | None = None, far: float | None = None) -> Image.Image:
    """For looking at, 16-bit grey: 65535 at ``near``, 1 at ``far``, 0 off the object.

    The defaults are this view's own range.
    """
    if view.depth is None:
        raise InvalidRequest(
            "This engine gives no depth.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    met = np.isfinite(view.depth)
    values = view.depth[met]
    if not len(values):
        return Image.fromarray(np.zeros(view.depth.shape, np.uint16))
    low = float(values.min()) if near is None else near
    high = float(values.max()) if far is None else far
    picture = np.zeros(view.depth.shape, np.uint16)
    picture[met] = np.clip(65535 - (values - low) / max(high - low, 1e-6) * 65534, 1, 65535).astype(np.uint16)
    return Image.fromarray(picture)


def normal_picture(view: View) -> Image.Image:
    """RGBA: world normals as (n + 1) / 2."""
    if view.normal is None:
        raise InvalidRequest(
            "This engine gives no normals.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    colour = np.clip((view.normal + 1) / 2 * 255 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([colour, np.asarray(view.mask)]))


DEPTH_UNIT = 1000
"""Steps of metric depth pictures in a bounding-box diagonal; nerfstudio reads them without being told."""


def metric_depth_picture(view: View) -> Image.Image:
    """16-bit grey: depth along the camera's forward axis in thousandths of a bounding-box diagonal, the same in all
    views; 0 off the object. Depths beyond 65.535 diagonals are 65535."""
    if view.depth is None:
        raise InvalidRequest(
            "This engine gives no depth.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    met = np.isfinite(view.depth)
    picture = np.zeros(view.depth.shape, np.uint16)
    picture[met] = np.clip(np.rint(view.depth[met].astype(np.float64) * DEPTH_UNIT), 1, 65535).astype(np.uint16)
    return Image.fromarray(picture)
