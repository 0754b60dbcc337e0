"""Thin walls without pinholes: where a wall of less than two cells crosses the cells askew, marching cubes tears it."""

from __future__ import annotations

from itertools import product

import numpy as np

from ...arrays import Floats

_OUTSIDE = -1.5
"""Log odds below which a cell is clearly outside."""
_FIRM = 0.8
"""What a cell of a wall becomes."""


def with_whole_walls(field: Floats) -> Floats:
    """The field with the pinholes of its walls closed.

    Where of four cells the two across a corner are inside and the others are not, the better one of these joins them
    (so that the cells are well-composed: Latecki, Eckhardt and Rosenfeld 1995), unless it is clearly outside. Gaps of a
    cell or two are closed (the morphological closing by three cells). Where of eight cells all but two across are
    inside, these are made firm, since between all eight the field is about their mean.

    Args:
        field: (bins, rows, columns), positive inside.
    """
    inside = field > 0
    if not inside.any():
        return field
    field = field.copy()
    reach = [np.flatnonzero(inside.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    part = field[tuple(slice(max(0, r[0] - 2), r[-1] + 3) for r in reach)]  # a view
    for axes in ((0, 1), (0, 2), (1, 2)):
        _join(part, axes)
    part[:] = -_grown(-_grown(part))
    _make_firm(part)
    return field


def _corners(array: np.ndarray, axes: tuple[int, ...]) -> list[np.ndarray]:
    """Views of the array: every cell, and its neighbours one further along some of the axes."""
    views = []
    for steps in product((0, 1), repeat=len(axes)):
        part = [slice(None)] * 3
        for axis, step in zip(axes, steps, strict=True):
            part[axis] = slice(step, step - 1 or None)
        views.append(array[tuple(part)])
    return views


def _join(field: Floats, axes: tuple[int, int]) -> None:
    cells, filled = _corners(field, axes), _corners(field > 0, axes)
    for (i, j), (k, m) in (((0, 3), (1, 2)), ((1, 2), (0, 3))):
        at = np.nonzero(filled[i] & filled[j] & ~(filled[k] | filled[m]))
        one, other = cells[k][at], cells[m][at]
        for number, better in ((k, (one >= other) & (one > _OUTSIDE)), (m, (other > one) & (other > _OUTSIDE))):
            cells[number][tuple(index[better] for index in at)] = _FIRM


def _grown(field: Floats) -> Floats:
    """The most of every cell and its neighbours, corners included."""
    for axis in range(3):
        before = field
        field = before.copy()
        low, high = (_corners(array, (axis,)) for array in (before, field))
        np.maximum(high[1], low[0], out=high[1])
        np.maximum(high[0], low[1], out=high[0])
    return field


def _make_firm(field: Floats) -> None:
    cells, filled = _corners(field, (0, 1, 2)), _corners(field > 0, (0, 1, 2))
    number = np.sum(filled, axis=0, dtype=np.uint8)
    at = np.nonzero(number == 6)
    for i in range(4):  # and the corner across, 7 - i
        here = ~(filled[i][at] | filled[7 - i][at])
        some = tuple(index[here] for index in at)
        for k in range(8):
            cells[k][some] = np.maximum(cells[k][some], -_FIRM if k in (i, 7 - i) else _FIRM)
