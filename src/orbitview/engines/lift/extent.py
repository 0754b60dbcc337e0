"""What a camera whose distance is told says of an object's depth.

Such a camera stands in the object's own world: the bounding box has its centre at the origin and a diagonal of 1 (see
:mod:`orbitview.cameras`). The picture shows two of the box's sides; what is guessed along the rays is moved and
stretched until the third fits. On 150 validation objects that gave the outline 0.008 more IoU over 16 views (0.767 to
0.775; the 65 realistic ones 0.794 to 0.805). A camera that was itself guessed says nothing: there it cost 0.017.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .frustum import REACH, Floats, Frustum
from .guess import Guess
from .surface import filled_cells

_STRETCHES = np.exp(np.linspace(-0.5, 0.5, 21))
_RELUCTANCE = 0.1
"""Price of a stretch's squared logarithm, against 1 for the squared miss of the diagonal."""
_LIKELY = (0.85, 1.15)
"""Diagonals of guesses whose camera was told rightly; beyond, the distance was a rough word, and is not leant on."""
_SHIFT = 0.75
"""Share of the way that the box's centre is moved: where something thin was missed, the box is wrong."""


def fitted(guess: Guess, matte: Floats) -> Guess:
    """The guess, moved and stretched along its rays to where a box of diagonal 1 around the origin wants it.

    Args:
        guess: in a frustum whose camera and distance were told.
        matte: (T, T) alpha of the window.
    """
    box = _shell(filled_cells(guess.logits, matte))
    if not len(box) or not _LIKELY[0] <= _diagonal(box, guess.frustum) <= _LIKELY[1]:
        return guess
    middle = float(box[:, 2].min() + box[:, 2].max()) / 2

    def miss(stretch: float) -> float:
        tried = _along(box, guess.frustum, middle, stretch, 1.0)[0]
        return float((_diagonal(tried, guess.frustum) - 1) ** 2 + _RELUCTANCE * np.log(stretch) ** 2)

    stretch = min(_STRETCHES, key=miss)
    shift = _along(box, guess.frustum, middle, stretch, _SHIFT)[1]
    colour = None if guess.colour is None else np.moveaxis(guess.colour, 1, 0)
    if colour is not None:
        colour = np.moveaxis(_carried(colour, middle, stretch, shift), 0, 1)
    return replace(guess, logits=_carried(guess.logits, middle, stretch, shift), colour=colour)


def _shell(filled: np.ndarray) -> Floats:
    """(N, 3) normalised coordinates where rays enter the filled (bins, rows, columns) cells and leave them."""
    bins, rows, columns = filled.shape
    row, column = np.nonzero(filled.any(0))
    first = filled.argmax(0)[row, column]
    last = bins - filled[::-1].argmax(0)[row, column]
    across = np.column_stack([(column + 0.5) / columns, (row + 0.5) / rows])
    ends = [np.column_stack([across, end / bins]) for end in (first, last)]
    return np.asarray(np.concatenate(ends) * 2 - 1, np.float32)


def _diagonal(points: Floats, frustum: Frustum) -> float:
    return float(np.linalg.norm(np.ptp(frustum.world(points), axis=0)))


def _along(points: Floats, frustum: Frustum, middle: float, stretch: float, share: float) -> tuple[Floats, float]:
    """Points stretched along the rays and moved by a share of what brings their box to the origin; and the move."""
    points = points.copy()
    points[:, 2] = middle + stretch * (points[:, 2] - middle)
    world = frustum.world(points)
    centre = (world.min(0) + world.max(0)) / 2
    move = -share * float(centre @ frustum.axes[:, 2]) / (REACH * frustum.width)
    points[:, 2] += move
    return points, move


def _carried(volume: Floats, middle: float, stretch: float, shift: float) -> Floats:
    """A volume whose first axis is depth, after every s became middle + stretch · (s - middle) + shift."""
    bins = len(volume)
    if bins == 1:
        return volume
    s = (np.arange(bins) + 0.5) / bins * 2 - 1
    at = ((s - shift - middle) / stretch + middle + 1) / 2 * bins - 0.5
    low = np.clip(np.floor(at).astype(int), 0, bins - 2)
    share = np.clip(at - low, 0, 1).astype(np.float32).reshape(-1, *[1] * (volume.ndim - 1))
    return np.asarray(volume[low] * (1 - share) + volume[low + 1] * share, np.float32)
