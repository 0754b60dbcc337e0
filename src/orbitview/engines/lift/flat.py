"""Cards, posters and signs: things without depth, seen from their front.

A rectangle could be a box as well. It is taken for flat where the picture shows printed areas of even colour and no
light at all: whatever is round or has edges is shaded. None of 365 pictures of validation objects is taken for flat.
Other outlines of one even colour could be logos; 17 of those 365 pictures were such, so they are lifted like all.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .framing import Framed
from .frustum import REACH, Floats
from .guess import Guess

THICK = 0.05
"""Of a flat thing, in widths of its outline."""
_SIDE = 256
_EVEN, _LIKE = 0.6, 2.5
"""CIELAB units: most that an evenly printed area varies from pixel to pixel; what counts as one colour."""
_INKS = 8


def is_flat(framed: Framed) -> bool:
    """Whether outline and picture say that the object is flat and faces the camera."""
    matte = cv2.resize(framed.matte, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    inside = (matte > 0.5).astype(np.uint8)
    core = cv2.erode(inside, np.ones((7, 7), np.uint8)) > 0
    if core.sum() < 500:
        return False
    picture = cv2.resize(framed.texture, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    lab = cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2LAB)
    return bool(_is_rectangle(inside) and _share_of_inks(lab, core) > 0.9)


def _is_rectangle(inside: NDArray[np.uint8]) -> bool:
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(outlines, key=cv2.contourArea)
    sides = cv2.minAreaRect(largest)[1]
    return bool(cv2.contourArea(largest) > 0.97 * sides[0] * sides[1] and inside.sum() > 0.95 * sides[0] * sides[1])


def _share_of_inks(lab: Floats, core: NDArray[np.bool_]) -> float:
    """Share of ``core`` that is evenly of one of its few commonest colours."""
    slope = np.abs(cv2.Sobel(lab, cv2.CV_32F, 1, 0)).max(-1) + np.abs(cv2.Sobel(lab, cv2.CV_32F, 0, 1)).max(-1)
    even = lab[core & (slope < 8 * _EVEN)]
    share = 0.0
    for _ in range(_INKS):
        if not len(even):
            break
        tried = even[:: max(1, len(even) // 64)]
        near = np.linalg.norm(even[:, None] - tried[None], axis=2) < _LIKE
        best = near[:, near.sum(0).argmax()]
        share += float(best.sum() / core.sum())
        even = even[~best]
    return share


def flattened(guess: Guess, framed: Framed) -> Guess:
    """The guess with a slab that faces the camera in the place of its cells."""
    bins = len(guess.logits)
    wide = float(np.ptp(np.flatnonzero((framed.matte > 0.5).any(0)))) / framed.matte.shape[1]
    half = max(THICK * wide / (2 * REACH) * bins / 2, 0.75)
    away = half - np.abs(np.arange(bins, dtype=np.float32) - (bins - 1) / 2)
    logits = np.broadcast_to(2 * away[:, None, None], guess.logits.shape)
    return replace(guess, logits=np.ascontiguousarray(np.clip(logits, -6, 6), np.float32))
