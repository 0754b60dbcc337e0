"""Numbers to 8-bit pixels: arrays, and greys of more than 8 bits, whose range must be clear."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import Bytes
from ..errors import InvalidImage
from .limits import MAX_PIXELS


def picture_of(array: NDArray[np.generic]) -> Image.Image:
    """A picture of an (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array.

    Raises:
        InvalidImage: another shape or type, or values of no clear range.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.dtype.kind not in "buif" or 0 in array.shape:
        raise InvalidImage(
            f"An array of shape {array.shape} and type {array.dtype} is not a picture.",
            hint="Give (height, width) or (height, width, 1, 3 or 4): uint8, uint16, or floats from 0 to 1.",
            field="image",
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise InvalidImage(
            "The array has too many pixels.", hint=f"At most {MAX_PIXELS // 10**6} million.", field="image"
        )
    values = to_bytes(array)
    if values.shape[2] == 1:
        values = np.repeat(values, 3, 2)
    return Image.fromarray(np.ascontiguousarray(values))


def to_bytes(values: NDArray[np.generic]) -> Bytes:
    """The same values from 0 to 255.

    Bytes are taken as they are. Else the largest value tells the range: floats up to 1 (with some overshoot), or up
    to 255 or 65535; integers up to 255 or 65535.

    Raises:
        InvalidImage: values that are negative, not finite, or beyond 65535.
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    if values.dtype.kind == "b":
        return np.where(values, np.uint8(255), np.uint8(0))
    low, high = (float(f(values)) for f in (np.min, np.max)) if values.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        raise InvalidImage("The array holds values that are not finite.", hint="Use floats from 0 to 1.", field="image")
    real = values.dtype.kind == "f"
    top = 1.0 if real and high <= 2 else 255.0 if high <= 255.5 else 65535.0
    if high > 65535.5 or low < (-0.02 * top if real else 0):
        raise InvalidImage(
            f"The picture's values go from {low:g} to {high:g}, which is no range of colours.",
            hint="Use integers from 0 to 255 or from 0 to 65535, or floats from 0 to 1.",
            field="image",
        )
    if not real and top == 255:
        return np.asarray(values, np.uint8)
    if values.dtype == np.uint16:
        return ((np.arange(65536) + 128) // 257).astype(np.uint8)[np.asarray(values)]
    scaled = np.multiply(values, 255 / top, dtype=np.float32)
    scaled += 0.5
    return np.asarray(np.clip(scaled, 0, 255, out=scaled), np.uint8)
