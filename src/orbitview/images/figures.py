"""A character sheet: one thing drawn from several sides, side by side in one picture."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InvalidImage
from .alpha import cuts
from .limits import MOST_PICTURES

LEAST = 0.6
"""Height of a figure over the tallest one's; what is lower is a part of its neighbour, or a caption."""
GAP = 0.008
"""Least width of the empty stripe between two figures, in widths of the picture."""
INK = 12.0
"""CIELAB difference from the paper that counts as drawn."""


def split_figures(picture: Image.Image) -> list[Image.Image]:
    """The figures of a sheet from left to right, each with the empty paper around it.

    Figures stand apart by empty stripes from top to bottom, and are of about one height.

    Args:
        picture: on even paper, or with transparency around the figures.

    Raises:
        InvalidImage: there are not two to eight such figures.
    """
    drawn = _drawn(picture)
    spans = _stripes(np.asarray(drawn.any(0)), max(2, round(GAP * drawn.shape[1])))
    heights = [int(np.ptp(np.flatnonzero(drawn[:, left:right].any(1)))) + 1 for left, right in spans]
    tallest = max(heights, default=0)
    figures = [span for span, height in zip(spans, heights, strict=True) if height >= LEAST * tallest]
    if not 2 <= len(figures) <= MOST_PICTURES:
        raise InvalidImage(
            f"The sheet does not split into two to {MOST_PICTURES} figures: {len(figures)} stand apart.",
            hint="Figures of one height are told apart by empty stripes from top to bottom; cut them out yourself.",
            field="image",
        )
    edges = [0, *((a[1] + b[0]) // 2 for a, b in pairwise(figures)), picture.width]
    return [picture.crop((left, 0, right, picture.height)) for left, right in pairwise(edges)]


def _drawn(picture: Image.Image) -> NDArray[np.bool_]:
    pixels = np.asarray(picture.convert("RGBA"))
    if cuts(np.asarray(pixels[..., 3])):
        return np.asarray(pixels[..., 3] > 127)
    lab = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    drawn = np.linalg.norm(lab - np.median(rim, 0), axis=-1) > INK
    return np.asarray(cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0)


def _stripes(filled: NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """Runs of filled columns; emptiness narrower than ``gap`` does not part them."""
    places = np.flatnonzero(filled)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > gap)
    starts = [int(places[0]), *(int(places[i + 1]) for i in breaks)]
    ends = [*(int(places[i]) + 1 for i in breaks), int(places[-1]) + 1]
    return list(zip(starts, ends, strict=True))
