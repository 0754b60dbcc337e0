"""COLMAP's text model: cameras, poses, points with their tracks, and the pictures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InvalidRequest
from ..grid import over
from ..view import View
from .points import surface_points
from .poses import not_pinhole

MOST_POINTS = 4_000
AGREE = 0.01
"""A point is seen by a view whose depth there differs by less, in bounding-box diagonals."""


def write_colmap(views: Sequence[View], folder: Path, background: str = "white") -> dict[str, Path]:
    """Write ``images/`` and ``sparse/0/`` (``cameras.txt``, ``images.txt``, ``points3D.txt``).

    The world is ours (y up); poses are world to camera in COLMAP's axes (x right, y down, z forward), as quaternions
    w, x, y, z. Views without depth give a model without points.

    Returns:
        Paths by name relative to ``folder``'s parent.

    Raises:
        InvalidRequest: a camera is orthographic, which none of COLMAP's camera models is.
    """
    from scipy.spatial.transform import Rotation  # a tenth of the server's start

    if not_pinhole(views):
        raise InvalidRequest(
            "COLMAP has no orthographic cameras.",
            hint="Leave colmap out (views.json tells of them), or take perspective cameras.",
            field="formats",
        )
    model, pictures = folder / "sparse" / "0", folder / "images"
    for place in (model, pictures):
        place.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    cameras: dict[tuple[int, float], int] = {}
    found = surface_points(views, MOST_POINTS)
    tracks: list[list[tuple[int, int]]] = [[] for _ in found.places] if found else []
    rows = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", "# POINTS2D[] as (X, Y, POINT3D_ID)"]
    for number, view in enumerate(views, 1):
        path = pictures / f"view-{number - 1:03d}.png"
        over(view.image, background).save(path)
        written.append(path)
        size = view.image.width
        focal = float(view.camera.intrinsics(size)[0, 0])
        camera = cameras.setdefault((size, focal), len(cameras) + 1)
        pose = view.camera.world_to_camera
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        numbers = " ".join(f"{v:.9g}" for v in (w, x, y, z, *pose[:3, 3]))
        seen: list[str] = []
        if found is not None and view.depth is not None:
            local = found.places @ pose[:3, :3].T + pose[:3, 3]
            at = local[:, :2] / local[:, 2:] * focal + size / 2
            cell = np.floor(at).astype(int)
            inside = ((cell >= 0) & (cell < size)).all(1) & (local[:, 2] > 0)
            depth = np.full(len(at), np.inf)
            depth[inside] = view.depth[cell[inside, 1], cell[inside, 0]]
            for point in np.flatnonzero(np.abs(depth - local[:, 2]) < AGREE):
                tracks[point].append((number, len(seen)))
                seen.append(f"{at[point, 0]:.3f} {at[point, 1]:.3f} {point + 1}")
        rows += [f"{number} {numbers} {camera} {path.name}", " ".join(seen)]
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, fx, fy, cx, cy"]
    for (size, focal), number in cameras.items():
        lines.append(f"{number} PINHOLE {size} {size} {focal:.9g} {focal:.9g} {size / 2:g} {size / 2:g}")
    points = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)"]
    if found is not None:
        for i, (place, colour, track) in enumerate(zip(found.places, found.colours, tracks, strict=True), 1):
            if len(track) > 1:
                where = " ".join(f"{image} {index}" for image, index in track)
                points.append(
                    f"{i} {place[0]:.7g} {place[1]:.7g} {place[2]:.7g} {' '.join(map(str, colour))} 0 {where}"
                )
        # Observations of points that only one view has stay in images.txt without a point.
        alone = {str(i) for i, track in enumerate(tracks, 1) if len(track) < 2}
        rows = [rows[0], rows[1], *(_without(row, alone) if i % 2 else row for i, row in enumerate(rows[2:]))]
    for name, content in (("cameras", lines), ("images", rows), ("points3D", points)):
        path = model / f"{name}.txt"
        path.write_text("\n".join(content) + "\n")
        written.append(path)
    return {path.relative_to(folder.parent).as_posix(): path for path in written}


def _without(row: str, points: set[str]) -> str:
    parts = row.split()
    parts[2::3] = ["-1" if point in points else point for point in parts[2::3]]
    return " ".join(parts)
