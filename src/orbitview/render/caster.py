"""What a ray meets first: the one interface that rendering, visibility and training data stand on."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidRequest

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


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


class EmbreeCaster:
    """Intel Embree by ``embreex``: tens of millions of rays a second on a laptop."""

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self._scene = rtcore_scene.EmbreeScene()
        triangles = np.ascontiguousarray(vertices.astype(np.float32)[faces])
        self._mesh = TriangleMesh(self._scene, triangles)

    def cast(self, origins: Floats, directions: Floats) -> Hits:
        directions = np.ascontiguousarray(directions, np.float32)
        origins = np.ascontiguousarray(np.broadcast_to(np.asarray(origins, np.float32), directions.shape))
        found = self._scene.run(origins, directions, output=True)
        face = found["primID"]
        distance = np.where(face >= 0, found["tfar"], np.inf).astype(np.float32)
        return Hits(face, found["u"], found["v"], distance)


def make_caster(vertices: Floats, faces: Ints, backend: str = "auto") -> Caster:
    """A caster for a mesh of (V, 3) vertices and (F, 3) faces.

    Args:
        backend: ``"embree"``, ``"numpy"``, or ``"auto"`` for Embree where it is installed.

    Raises:
        InvalidRequest: ``backend`` is none of these.
    """
    if backend not in ("auto", "embree", "numpy"):
        raise InvalidRequest(f"There is no renderer {backend!r}.", hint="Use auto, embree or numpy.")
    if backend == "auto":
        backend = "embree" if importlib.util.find_spec("embreex") else "numpy"
    if backend == "embree":
        return EmbreeCaster(vertices, faces)
    from .rasteriser import NumpyCaster

    return NumpyCaster(vertices, faces)
