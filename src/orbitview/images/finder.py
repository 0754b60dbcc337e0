"""The matte network: how likely each pixel of a photograph belongs to the object."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..onnx import open_session

Floats = NDArray[np.float32]
WEIGHTS = Path(str(resources.files("orbitview.images") / "weights" / "matte.onnx"))
SIDE = 256
"""Side of the square that the network looks at."""


@cache
def _session() -> Any:
    return open_session(WEIGHTS)


def likelihood(rgb: NDArray[np.uint8]) -> Floats | None:
    """(H, W) in [0, 1]; a second look goes closer to what the first one found. None without weights."""
    if not WEIGHTS.is_file():
        return None
    height, width = rgb.shape[:2]
    found = _look(rgb, (0, 0, width, height))
    rows, columns = np.flatnonzero((found > 0.5).any(1)), np.flatnonzero((found > 0.5).any(0))
    if not len(rows):
        return found
    margin = round(0.12 * max(rows[-1] - rows[0], columns[-1] - columns[0])) + 4
    left, top = max(0, columns[0] - margin), max(0, rows[0] - margin)
    right, bottom = min(width, columns[-1] + 1 + margin), min(height, rows[-1] + 1 + margin)
    if max(right - left, bottom - top) > 0.85 * max(height, width):
        return found
    closer = np.zeros_like(found)
    closer[top:bottom, left:right] = _look(rgb, (left, top, right, bottom))
    return np.asarray((found + 2 * closer) / 3, np.float32)


def _look(rgb: NDArray[np.uint8], box: tuple[int, int, int, int]) -> Floats:
    """The network's answer for a part of the picture, padded to a square by its border."""
    left, top, right, bottom = box
    part = rgb[top:bottom, left:right]
    height, width = part.shape[:2]
    side = max(height, width)
    above, before = (side - height) // 2, (side - width) // 2
    square = cv2.copyMakeBorder(part, above, side - height - above, before, side - width - before, cv2.BORDER_REPLICATE)
    small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR)
    ready = (small.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
    logits = _session().run(None, {"photograph": ready})[0][0, 0]
    alpha = cv2.resize(1 / (1 + np.exp(-logits)), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(alpha[above : above + height, before : before + width], np.float32)
