"""Colours of what the picture does not show: they carry on from the rim over the surface.

A screened Poisson equation over the mesh (after Bhat et al. 2008, "Fourier analysis of the 2D screened Poisson
equation for gradient domain problems", here with vertices for pixels): neighbouring vertices shall have like colours,
seen ones the picture's, and hidden ones a little of what the network says. Solved by conjugate gradients.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ...arrays import Floats, Ints
from .surface import edges_of

SEEN = 10.0
"""Weight of the picture where it sees a vertex fully, against one edge's."""
GUESSED = 0.02
"""Weight of the network's colour where no picture sees the vertex."""
UPRIGHT = 0.2
"""Weight of an upright edge against a level one's: what goes round an object goes on round it."""
ROUNDS, ENOUGH = 120, 2e-3
"""Most steps of conjugate gradients, and the share of the first residual at which they end."""


def completed(vertices: Floats, faces: Ints, seen: Floats, sight: Floats, guessed: Floats, hold: Floats) -> Floats:
    """(V, 3) colours in [0, 1] of all vertices.

    Args:
        vertices: (V, 3) in the world, y up.
        faces: (F, 3) vertex numbers.
        seen: (V, 3) the pictures' colours at the vertices.
        sight: (V,) in [0, 1]: how well the pictures' cameras see them.
        guessed: (V, 3) what is likely where they do not.
        hold: (V,) weight of ``guessed`` at a vertex that is not seen, :data:`GUESSED` where nothing better is known.
    """
    count = len(seen)
    i, j = edges_of(faces)
    along = vertices[i] - vertices[j]
    level = 1 - np.abs(along[:, 1]) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)
    edges = sparse.csr_matrix(((UPRIGHT + (1 - UPRIGHT) * level).astype(np.float32), (i, j)), shape=(count, count))
    edges = (edges + edges.T) / 2
    by_picture, by_guess = SEEN * sight**2, hold * (1 - sight)
    diagonal = (np.asarray(edges.sum(1)).ravel() + by_picture + by_guess + 1e-6).astype(np.float32)[:, None]
    wanted = by_picture[:, None] * seen + by_guess[:, None] * guessed

    def applied(x: Floats) -> Floats:
        return np.asarray(diagonal * x - edges @ x, np.float32)

    colours = (sight[:, None] * seen + (1 - sight[:, None]) * guessed).astype(np.float32)
    left = (wanted - applied(colours)).astype(np.float32)
    onward = left / diagonal
    power = first = (left * onward).sum(0)
    for _ in range(ROUNDS):
        if (power <= ENOUGH**2 * first + 1e-12).all():
            break
        turned = applied(onward)
        step = power / np.maximum((onward * turned).sum(0), 1e-20)
        colours += step * onward
        left -= step * turned
        better = left / diagonal
        power, before = (left * better).sum(0), power
        onward = better + power / np.maximum(before, 1e-20) * onward
    return np.asarray(np.clip(colours, 0, 1), np.float32)
