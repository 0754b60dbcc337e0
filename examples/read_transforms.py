"""Read a folder of views as a consumer of training data would, and check that cameras and depth agree.

python examples/read_transforms.py FOLDER [cloud.ply]

Every view's depth is lifted to points by its camera; the points of all views must lie on one surface. Prints the
median distance of a view's points to the nearest points of other views, in bounding-box diagonals.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from scipy.spatial import cKDTree


def points_of(folder: Path, frame: dict, near: float, far: float) -> tuple[np.ndarray, np.ndarray]:
    """World points (N, 3) and colours (N, 4) of one frame of ``transforms.json``."""
    colour = np.asarray(Image.open(folder / frame["file_path"]).convert("RGBA"))
    stored = np.asarray(Image.open(folder / frame["file_path"].replace("view", "depth")), np.float64)
    rows, columns = np.nonzero((stored > 0) & (colour[..., 3] > 250))
    depth = near + (65535 - stored[rows, columns]) / 65534 * (far - near)
    x = (columns + 0.5 - frame["cx"]) / frame["fl_x"] * depth
    y = (rows + 0.5 - frame["cy"]) / frame["fl_y"] * depth
    pose = np.array(frame["transform_matrix"])  # OpenGL axes: x right, y up, z back
    return np.stack([x, -y, -depth], 1) @ pose[:3, :3].T + pose[:3, 3], colour[rows, columns]


def main(arguments: list[str]) -> float:
    folder = Path(arguments[0])
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    ranges = [view["depth_range"] for view in json.loads((folder / "views.json").read_text())["views"]]
    clouds = [points_of(folder, frame, *span) for frame, span in zip(frames, ranges, strict=True)]
    distances = []
    for i, (points, _) in enumerate(clouds):
        others = np.concatenate([other for j, (other, _) in enumerate(clouds) if j != i])
        distances.append(cKDTree(others).query(points)[0])
    median = float(np.median(np.concatenate(distances)))
    print(f"{len(frames)} views, {sum(len(p) for p, _ in clouds)} points, median distance {median:.4f}")
    if len(arguments) > 1:
        points, colours = (np.concatenate([cloud[k] for cloud in clouds]) for k in (0, 1))
        trimesh.PointCloud(points, colours).export(arguments[1])
    return median


if __name__ == "__main__":
    main(sys.argv[1:])
