"""What a ray meets first: the one interface that rendering, visibility and training data stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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


class Caster(Protocol):
    """A triangle mesh that answers rays."""

    def cast(self, origins: Floats, directions: Floats) -> Hits:
        """First hits. ``origins`` is (N, 3), or (3,) where all rays start at one point (a camera)."""
        ...
