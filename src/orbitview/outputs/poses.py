"""Camera files: ``views.json`` in OpenCV and OpenGL terms, and NeRF's ``transforms.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..views import View


def views_json(views: Sequence[View], files: Sequence[str], meta: dict[str, Any]) -> dict[str, Any]:
    """Every view with its file, its camera's numbers and matrices, and what its depth picture spans."""
    entries = []
    for view, file in zip(views, files, strict=True):
        camera, size = view.camera, view.image.width
        met = view.depth[np.isfinite(view.depth)] if view.depth is not None else np.zeros(0)
        entries.append(
            {
                "file": file,
                "width": size,
                "height": view.image.height,
                "azimuth": camera.azimuth,
                "elevation": camera.elevation,
                "distance": camera.distance,
                "fov": camera.fov,
                "depth_range": [float(met.min()), float(met.max())] if len(met) else None,
                "intrinsics": camera.intrinsics(size).tolist(),
                "world_to_camera_opencv": camera.world_to_camera.tolist(),
                "camera_to_world_opencv": camera.camera_to_world.tolist(),
                "camera_to_world_opengl": camera.camera_to_world_opengl.tolist(),
            }
        )
    return {
        "convention": "world y up, object at the origin, bounding-box diagonal 1, angles in degrees",
        "meta": meta,
        "views": entries,
    }


def transforms_json(views: Sequence[View], files: Sequence[str]) -> dict[str, Any]:
    """What nerfstudio, instant-ngp and Gaussian-splatting loaders read; poses are OpenGL camera-to-world."""
    frames = []
    for view, file in zip(views, files, strict=True):
        size = view.image.width
        focal = 0.5 * size / math.tan(math.radians(view.camera.fov) / 2)
        frames.append(
            {
                "file_path": file,
                "transform_matrix": view.camera.camera_to_world_opengl.tolist(),
                "w": size,
                "h": view.image.height,
                "fl_x": focal,
                "fl_y": focal,
                "cx": size / 2,
                "cy": view.image.height / 2,
            }
        )
    document: dict[str, Any] = {"camera_model": "OPENCV", "frames": frames}
    if frames and len({(f["w"], f["fl_x"]) for f in frames}) == 1:
        document |= {k: frames[0][k] for k in ("w", "h", "fl_x", "fl_y", "cx", "cy")}
        document["camera_angle_x"] = math.radians(views[0].camera.fov)
    return document
