"""Points of the object's surface, lifted from the views' own depth: what trainers start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..view import View


@dataclass
class Points:
    """(N, 3) places in the world, (N, 3) unit normals, (N, 3) colours from 0 to 255."""

    places: NDArray[np.float64]
    normals: NDArray[np.float64]
    colours: NDArray[np.uint8]


def surface_points(views: Sequence[View], most: int = 20_000) -> Points | None:
    """At most ``most`` points, evenly from the views' opaque pixels; None where no view has depth."""
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]] = []
    for view in views:
        if view.depth is None:
            continue
        pixels = np.asarray(view.image)
        rows, columns = np.nonzero(np.isfinite(view.depth) & (pixels[..., 3] == 255))
        step = max(1, len(rows) * len(views) // most)
        rows, columns = rows[::step], columns[::step]
        if not len(rows):
            continue
        normal = view.normal[rows, columns] if view.normal is not None else np.zeros((len(rows), 3))
        parts.append((lift(view, rows, columns), np.asarray(normal, np.float64), pixels[rows, columns, :3]))
    if not parts:
        return None
    places, normals, colours = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    return Points(places, normals, colours)


def lift(view: View, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """(N, 3) world points of pixels, by their depth."""
    assert view.depth is not None
    k = view.camera.intrinsics(view.image.width)
    depth = view.depth[rows, columns].astype(np.float64)
    local = np.stack([(columns + 0.5 - k[0, 2]) / k[0, 0], (rows + 0.5 - k[1, 2]) / k[1, 1], np.ones(len(rows))], 1)
    pose = view.camera.camera_to_world
    if view.camera.orthographic:
        local[:, 2] = depth
        return np.asarray(local @ pose[:3, :3].T + pose[:3, 3])
    return np.asarray((local * depth[:, None]) @ pose[:3, :3].T + pose[:3, 3])


def write_points(points: Points, path: Path) -> Path:
    """PLY as the 3DGS trainer reads it: float places and normals, bytes of red, green and blue."""
    kinds = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    kinds += [(name, "u1") for name in ("red", "green", "blue")]
    rows = np.zeros(len(points.places), kinds)
    for i, name in enumerate("xyz"):
        rows[name], rows[f"n{name}"] = points.places[:, i], points.normals[:, i]
    for i, name in enumerate(("red", "green", "blue")):
        rows[name] = points.colours[:, i]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    head += [f"property {'uchar' if kind == 'u1' else 'float'} {name}" for name, kind in kinds]
    path.write_bytes(("\n".join([*head, "end_header"]) + "\n").encode() + rows.tobytes())
    return path
