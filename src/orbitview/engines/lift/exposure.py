"""Exposure and white balance of several pictures, matched where the surface that they show meets.

Pictures from opposite sides hardly overlap: each one's colours are carried a little way over the surface, and compared
where they meet. A gain for each channel is the median of the ratios there (as panoramas are stitched: Brown and Lowe
2007, section 6, but for the median). Where ratios scatter, or ask for more than a camera would, the object is of
different colours there, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from .frustum import Floats

ROUNDS = 24
"""Steps over the mesh that colours are carried."""
LEAST = 40
"""Vertices at which two pictures must meet."""
SCATTER = 0.15
"""Median deviation of the logarithm of the ratios that still speaks of one gain."""
MOST = 0.55
"""Logarithm of the largest gain."""


def gains(colours: Sequence[Floats], sights: Sequence[Floats], average: sparse.csr_matrix) -> list[Floats]:
    """(3,) for each picture: what its colours are multiplied by to fit those of the first, and of those before it.

    Args:
        colours: for each picture (V, 3), what it shows at the vertices.
        sights: for each picture (V,), how well it shows them, in [0, 1].
        average: of :func:`orbitview.engines.lift.surface.neighbour_average`.
    """
    carried = [_carried(colour, sight, average) for colour, sight in zip(colours, sights, strict=True)]
    found = [np.ones(3, np.float32) for _ in colours]
    total, weight = carried[0]
    left = list(range(1, len(colours)))
    while left:
        # Next is the one that meets most of those already matched.
        number = max(left, key=lambda i: float(np.minimum(carried[i][1], weight).sum()))
        left.remove(number)
        mine, own = carried[number]
        theirs = np.asarray(total / np.maximum(weight, 1e-6)[:, None], np.float32)
        shown = np.asarray(mine / np.maximum(own, 1e-6)[:, None], np.float32)
        found[number] = _gain(theirs, shown, own, weight)
        total = total + mine * found[number]
        weight = weight + own
    return found


def _carried(colour: Floats, sight: Floats, average: sparse.csr_matrix) -> tuple[Floats, Floats]:
    total, weight = colour * sight[:, None], sight
    for _ in range(ROUNDS):
        total, weight = average @ total, average @ weight
    return total, weight


def _gain(theirs: Floats, mine: Floats, own: Floats, weight: Floats) -> Floats:
    meet = (
        (own > 0.05)
        & (weight > 0.05)
        & (np.minimum(theirs, mine).min(1) > 0.03)
        & (np.maximum(theirs, mine).max(1) < 0.98)
    )
    if meet.sum() < LEAST:
        return np.ones(3, np.float32)
    ratios = np.log(theirs[meet] / mine[meet])
    middle = np.median(ratios, 0)
    if np.median(np.abs(ratios - middle), 0).max() > SCATTER or np.abs(middle).max() > MOST:
        return np.ones(3, np.float32)
    return np.asarray(np.exp(middle), np.float32)
