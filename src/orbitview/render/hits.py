"""What a ray meets first: the one interface that rendering, visibility and training data stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints


@dataclass
class Hits:
    """First hits of N rays.

    Attributes:
        face: (N,) index of the face, -1 where the ray meets nothing.
        u, v: (N,) barycentric weights of the face's second and third corner.
        distance: (N,) along the direction as given (not normalised); infinite where nothing is met.
    """

    face: Ints
    u: Floats
    v: Floats
    distance: Floats

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Hits:
        """Some of them, by a mask or by numbers."""
        return Hits(self.face[chosen], self.u[chosen], self.v[chosen], self.distance[chosen])

    def between(self, corner: Floats) -> Floats:
        """(N, C) values at hits of what each hit face's corners have, (N, 3, C)."""
        first = (1 - self.u - self.v)[:, None]
        return np.asarray(
            corner[:, 0] * first + corner[:, 1] * self.u[:, None] + corner[:, 2] * self.v[:, None], np.float32
        )


class Caster(Protocol):
    """A triangle mesh that answers rays."""

    def cast(self, origins: Floats, directions: Floats) -> Hits:
        """First hits. ``origins`` is (N, 3), or (3,) where all rays start at one point (a camera).

        Rays that start at different points are parallel and start on one plane across them.
        """
        ...
