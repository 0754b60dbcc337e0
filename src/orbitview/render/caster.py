"""A caster for a mesh: Embree where its wheel exists, NumPy elsewhere."""

from __future__ import annotations

import importlib.util

import numpy as np

from ..arrays import Floats, Ints
from ..errors import InvalidRequest
from .hits import Caster, Hits
from .rasteriser import NumpyCaster


class EmbreeCaster:
    """Intel Embree by ``embreex``: tens of millions of rays a second on a laptop."""

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self._of = vertices, faces
        self._scene = rtcore_scene.EmbreeScene()
        self._triangles = np.ascontiguousarray(vertices.astype(np.float32)[faces])
        self._mesh = TriangleMesh(self._scene, self._triangles)

    def __reduce__(self) -> tuple[object, ...]:
        # Embree's own tree cannot be pickled; it is built again in milliseconds, of what its owner has anyway.
        return EmbreeCaster, self._of

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
    return NumpyCaster(vertices, faces)
