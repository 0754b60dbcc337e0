"""Zoom in on the object: the picture as the network sees it, and as the surface's texture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...cameras import Camera
from .frustum import Floats, Frustum, _turn_to

NETWORK_SIDE = 128
MARGIN = 1.1
"""Window over outline, in the middle of what the network was trained on."""


@dataclass
class Framed:
    """A square window around the object.

    Attributes:
        texture: (T, T, 3) colours in [0, 1]; outside the matte the nearest colour of the object goes on.
        matte: (T, T) alpha in [0, 1].
        window: (T, T, 4) premultiplied: what is there, without the colours that ``texture`` carries on.
        frustum: the window's frustum, where the caller stated the camera's distance; else None.
        elevation: in degrees, where the caller stated it; else None.
    """

    texture: Floats
    matte: Floats
    window: Floats
    frustum: Frustum | None
    elevation: float | None

    def look(self) -> Floats:
        """(NETWORK_SIDE, NETWORK_SIDE, 4) straight alpha: the window as the network sees it."""
        small = cv2.resize(self.window, (NETWORK_SIDE, NETWORK_SIDE), interpolation=cv2.INTER_AREA)
        small[..., :3] /= np.maximum(small[..., 3:], 1e-3)
        return np.asarray(np.clip(small, 0, 1), np.float32)


def frame(picture: Image.Image, camera: Camera | None, most: int = 1024) -> Framed:
    """Frame an RGBA cut-out.

    With a camera that has a distance, the window is a virtual camera at the same place, turned and zoomed
    (a homography, exact for a pinhole). Without, it is a square crop.
    """
    pixels = np.asarray(picture.convert("RGBA"), np.float32) / 255
    height, width = pixels.shape[:2]
    side = max(height, width)
    left, top, right, bottom = _outline(np.asarray(pixels[..., 3]))
    # Non-square pictures are thought of as padded to a square: the principal point stays in the middle.
    x0, y0 = (side - width) / 2, (side - height) / 2
    frustum = None
    if camera is not None and camera.distance is not None:
        tangent = math.tan(math.radians(camera.fov) / 2)
        box = tuple((value / side * 2 - 1) * tangent for value in (left + x0, top + y0, right + x0, bottom + y0))
        view = Camera(0.0, camera.elevation, camera.distance, camera.fov)
        frustum = Frustum.aimed(view, (box[0], box[1], box[2], box[3]), MARGIN)
        turn = _turn_to((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        focal = side / 2 / tangent
        to_pixel = (
            np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
            @ turn
            @ np.diag([frustum.slope, frustum.slope, 1])
        )
        native = 2 * frustum.slope * focal
    else:
        native = max(right - left, bottom - top) * MARGIN
        to_pixel = np.array([[native / 2, 0, (left + right) / 2], [0, native / 2, (top + bottom) / 2], [0, 0, 1]])
    texels = int(np.clip(NETWORK_SIDE * 2 ** round(math.log2(max(native, 1) / NETWORK_SIDE)), 2 * NETWORK_SIDE, most))
    # Window texel -> normalised (-1..1) -> picture; OpenCV puts pixel centres at integers, hence the halves.
    normalise = np.array([[2 / texels, 0, 1 / texels - 1], [0, 2 / texels, 1 / texels - 1], [0, 0, 1]])
    halves = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    pixels = np.dstack([pixels[..., :3] * pixels[..., 3:], pixels[..., 3]])
    shrink = native / texels
    if shrink > 1.2:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.35 * shrink)
    window = cv2.warpPerspective(
        pixels,
        halves @ to_pixel @ normalise,
        (texels, texels),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    matte = np.clip(window[..., 3], 0, 1)
    straight = window[..., :3] / np.maximum(matte, 1e-3)[..., None]
    return Framed(
        _extend(np.clip(straight, 0, 1), matte),
        matte,
        window,
        frustum,
        camera.elevation if camera else None,
    )


def _outline(alpha: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is more than half opaque, in pixels."""
    rows, columns = np.flatnonzero((alpha > 0.5).any(1)), np.flatnonzero((alpha > 0.5).any(0))
    if not len(rows):
        return 0.0, 0.0, float(alpha.shape[1]), float(alpha.shape[0])
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _extend(colour: Floats, matte: Floats) -> Floats:
    """Carry the object's colours outward, from just inside its edge, so that no background shows at rims."""
    radius = max(1, len(matte) // 256)
    core: NDArray[np.uint8] = (matte > 0.9).astype(np.uint8)
    eroded = cv2.erode(core, np.ones((2 * radius + 1,) * 2, np.uint8))
    # Parts too thin to survive keep their own middle.
    kept = cv2.dilate(eroded, np.ones((4 * radius + 1,) * 2, np.uint8))
    core = np.where(kept > 0, eroded, core)
    if not core.any():
        core = (matte > 0.5).astype(np.uint8)
    if not core.any():
        return colour
    _, labels = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(int(labels.max()) + 1, np.int64)
    inside = np.flatnonzero(core.ravel())
    source[labels.ravel()[inside]] = inside
    filled = colour.reshape(-1, 3)[source[labels]]
    soft = cv2.GaussianBlur(filled, (0, 0), max(1.0, radius * 1.5))
    return np.where(core[..., None] > 0, colour, np.where(matte[..., None] > 0.5, filled, soft))
