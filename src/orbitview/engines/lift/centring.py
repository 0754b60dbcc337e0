"""What a camera whose distance is told says of an object's depth.

Such a camera looks at the middle of the object's bounding box (see :mod:`orbitview.cameras`), which the network is
told but follows loosely: what is guessed along the rays is moved towards it. The box's axes are the object's own,
though, which nobody tells, so it goes part of the way. On 120 validation objects (16 views) the outline gained 0.002
IoU, on the 49 realistic ones 0.004. The box's diagonal of 1 says less than it seems to for the same reason: stretching
the guess to fit it cost 0.02.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .frustum import REACH, Floats
from .guess import Guess
from .surface import filled_cells

_SHARE = 0.4
"""Of the way that the box's centre goes."""


def centred(guess: Guess, matte: Floats) -> Guess:
    """The guess, moved along its rays towards where its box would have the origin in the middle.

    Args:
        guess: in a frustum whose camera and distance were told.
        matte: (T, T) alpha of the window.
    """
    shell = _shell(filled_cells(guess.logits, matte))
    if not len(shell):
        return guess
    world = guess.frustum.world(shell)
    centre = (world.min(0) + world.max(0)) / 2
    move = -_SHARE * float(centre @ guess.frustum.axes[:, 2]) / (REACH * guess.frustum.width)
    colour = None if guess.colour is None else _carried(guess.colour, 1, move)
    return replace(guess, logits=_carried(guess.logits, 0, move), colour=colour)


def _shell(filled: np.ndarray) -> Floats:
    """(N, 3) normalised coordinates where rays enter the filled (bins, rows, columns) cells and leave them."""
    bins, rows, columns = filled.shape
    row, column = np.nonzero(filled.any(0))
    first = filled.argmax(0)[row, column]
    last = bins - filled[::-1].argmax(0)[row, column]
    across = np.column_stack([(column + 0.5) / columns, (row + 0.5) / rows])
    ends = [np.column_stack([across, end / bins]) for end in (first, last)]
    return np.asarray(np.concatenate(ends) * 2 - 1, np.float32)


def _carried(volume: Floats, axis: int, move: float) -> Floats:
    """A volume moved along its axis of depth, in normalised coordinates."""
    bins = volume.shape[axis]
    if bins == 1:
        return volume
    at = np.arange(bins) - move * bins / 2
    low = np.clip(np.floor(at).astype(int), 0, bins - 2)
    share = np.clip(at - low, 0, 1).astype(np.float32).reshape(-1, *[1] * (volume.ndim - 1 - axis))
    near, far = np.take(volume, low, axis), np.take(volume, low + 1, axis)
    return np.asarray(near * (1 - share) + far * share, np.float32)
