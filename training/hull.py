"""What can be seen of an object from outside: its visual hull, and which of its faces any picture shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from .objects import Solid

HULL = 80
"""Voxels along the object's longest side."""

_DIRECTIONS = trimesh.creation.icosphere(subdivisions=1).vertices.astype(np.float32)


@dataclass
class Hull:
    """Attributes:
    filled: (X, Y, Z) bool.
    origin: (3,) corner of the first voxel.
    voxel: side of a voxel.
    faces: (F,) bool, which of the solid's faces were met by a ray from outside.
    """

    filled: np.ndarray
    origin: np.ndarray
    voxel: float
    faces: np.ndarray


def visual_hull(solid: Solid, resolution: int = 128) -> Hull:
    """Depth pictures from 42 directions carve a grid: what stays is what no picture sees through."""
    low, high = solid.vertices.min(0), solid.vertices.max(0)
    voxel = float((high - low).max() / HULL)
    shape = np.maximum(np.ceil((high - low) / voxel).astype(int), 1) + 2
    origin = (low + high) / 2 - shape * voxel / 2
    along = [(origin[d] + (np.arange(shape[d]) + 0.5) * voxel).astype(np.float32) for d in range(3)]
    x, y, z = (place.ravel() for place in np.meshgrid(*along, indexing="ij"))
    alive = np.arange(x.size)
    faces = np.zeros(len(solid.faces), bool)
    points = []
    axis = (np.arange(resolution, dtype=np.float32) + 0.5) / resolution * 1.02 - 0.51
    for towards in -_DIRECTIONS:
        side = np.cross(towards, [0, 1, 0] if abs(towards[1]) < 0.9 else [1, 0, 0])
        side = (side / np.linalg.norm(side)).astype(np.float32)
        up = np.cross(side, towards)
        starts = (axis[None, :, None] * side + axis[:, None, None] * up - towards).reshape(-1, 3)
        hits = solid.caster.cast(starts, np.broadcast_to(towards, starts.shape))
        met = hits.face >= 0
        faces[hits.face[met]] = True
        points.append(starts[met] + hits.distance[met, None] * towards)
        column, row = (_pixel(x, y, z, direction, resolution) for direction in (side, up))
        nearest = hits.distance - np.float32(1 + 0.6 * voxel)
        inside = x * towards[0] + y * towards[1] + z * towards[2] >= nearest[row * resolution + column]
        alive, x, y, z = alive[inside], x[inside], y[inside], z[inside]
    filled = np.zeros(int(shape.prod()), bool)
    filled[alive] = True
    filled = filled.reshape(shape)
    cells = np.clip(((np.concatenate(points) - origin) / voxel).astype(int), 0, shape - 1)
    filled[tuple(cells.T)] = True
    return Hull(filled, origin.astype(np.float32), voxel, faces)


def _pixel(x: np.ndarray, y: np.ndarray, z: np.ndarray, axis: np.ndarray, resolution: int) -> np.ndarray:
    """Which column (or row) of a picture along ``axis`` the places lie in. A product of matrices is slower here."""
    a, b, c = (np.float32(v) for v in axis * (resolution / 1.02))
    place = (x * a + y * b + z * c + np.float32(resolution / 2)).astype(np.int32)
    return np.clip(place, 0, resolution - 1, out=place)
