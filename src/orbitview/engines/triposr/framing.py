"""The picture as the published program hands it to the model: to a grey level the same pixels."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

FILL = 0.85
"""Of the square's side that the object takes."""


def framed(picture: Image.Image, side: int) -> Tensor:
    """(3, side, side) in [0, 1] over mid grey of an RGBA cut-out.

    The object's box is where alpha is above zero, without the last row and column (the published program leaves them
    out, and the model was shown such pictures); it is put in a square, laid over grey, rounded down to whole grey
    levels, and only then made smaller or larger.
    """
    pixels = np.asarray(picture.convert("RGBA"))
    rows, columns = np.nonzero(pixels[..., 3])
    if len(rows):
        top, left = rows.min(), columns.min()
        pixels = pixels[top : max(rows.max(), top + 1), left : max(columns.max(), left + 1)]
    high, wide = pixels.shape[:2]
    inner = max(high, wide)
    outer = int(inner / FILL)
    square = np.zeros((outer, outer, 4), np.uint8)
    margin = (outer - inner) // 2
    top, left = margin + (inner - high) // 2, margin + (inner - wide) // 2
    square[top : top + high, left : left + wide] = pixels
    colour, alpha = np.split(square.astype(np.float32) / 255, [3], axis=2)
    flat = ((colour * alpha + (1 - alpha) * 0.5) * 255).astype(np.uint8)
    whole = torch.from_numpy(flat.astype(np.float32) / 255).permute(2, 0, 1)[None]
    return F.interpolate(whole, (side, side), mode="bilinear", align_corners=False, antialias=True)[0]
