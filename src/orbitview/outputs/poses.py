"""Camera files: ``views.json`` in OpenCV and OpenGL terms, and NeRF's ``transforms.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidRequest
from ..view import View


def views_json(views: Sequence[View], files: Sequence[str], meta: dict[str, Any]) -> dict[str, Any]:
    """Every view with its file, its camera's numbers and matrices, and what its depth picture spans.

    An orthographic camera has ``projection`` and ``scale`` instead of ``fov``; its ``intrinsics`` are affine, see
    :meth:`orbitview.Camera.intrinsics`.
    """
    entries = []
    for view, file in zip(views, files, strict=True):
        camera, size = view.camera, view.image.width
        met = view.depth[np.isfinite(view.depth)] if view.depth is not None else np.zeros(0)
        entries.append(
            {
                "file": file,
                "width": size,
                "height": view.image.height,
                **camera.numbers(),
                "depth_range": [float(met.min()), float(met.max())] if len(met) else None,
                "intrinsics": camera.intrinsics(size).tolist(),
                "world_to_camera_opencv": camera.world_to_camera.tolist(),
                "camera_to_world_opencv": camera.camera_to_world.tolist(),
                "camera_to_world_opengl": camera.camera_to_world_opengl.tolist(),
            }
        )
    return {
        "convention": "world y up, object at the origin, bounding-box diagonal 1, angles in degrees",
        "meta": {name: value for name, value in meta.items() if name != "seconds"},  # same views, same bytes
        "views": entries,
    }


def transforms_json(
    views: Sequence[View],
    files: Sequence[str],
    masks: Sequence[str] | None = None,
    depths: Sequence[str] | None = None,
    points: str | None = None,
) -> dict[str, Any]:
    """What nerfstudio and instant-ngp read; poses are OpenGL camera-to-world.

    Args:
        masks, depths: files of each view; depth in thousandths of a bounding-box diagonal, nerfstudio's default unit.
        points: a PLY to start from.

    Raises:
        InvalidRequest: a camera is orthographic: the file's cameras are pinholes.
    """
    if not_pinhole(views):
        raise InvalidRequest(
            "transforms.json has no orthographic cameras.",
            hint="Take views.json, or perspective cameras.",
            field="formats",
        )
    frames = []
    for i, (view, file) in enumerate(zip(views, files, strict=True)):
        size = view.image.width
        focal = 0.5 * size / math.tan(math.radians(view.camera.fov) / 2)
        frame = {
            "file_path": file,
            "transform_matrix": view.camera.camera_to_world_opengl.tolist(),
            "w": size,
            "h": view.image.height,
            "fl_x": focal,
            "fl_y": focal,
            "cx": size / 2,
            "cy": view.image.height / 2,
        }
        if masks is not None:
            frame["mask_path"] = masks[i]
        if depths is not None:
            frame["depth_file_path"] = depths[i]
        frames.append(frame)
    document: dict[str, Any] = {"camera_model": "OPENCV", "frames": frames}
    if frames and len({(f["w"], f["fl_x"]) for f in frames}) == 1:
        document |= {k: frames[0][k] for k in ("w", "h", "fl_x", "fl_y", "cx", "cy")}
        document["camera_angle_x"] = math.radians(views[0].camera.fov)
    if points is not None:
        document["ply_file_path"] = points
    return document


def not_pinhole(views: Iterable[View]) -> bool:
    """Whether one of the cameras is orthographic, which files for pinhole cameras cannot say."""
    return any(view.camera.orthographic for view in views)


HELD_BACK = 8
"""Every so manieth view is for testing, as trainers do."""


def split_transforms(views: Sequence[View], files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``transforms_train``, ``_val`` and ``_test.json`` as NeRF's synthetic scenes and the original 3DGS trainer have
    them: one field of view for all, file paths without ending.

    Every eighth view is for testing (of fewer than eight the last, where there are two), and for validation too. Empty
    where the views' fields of view differ or cameras are orthographic, which these files cannot say.
    """
    if len({view.camera.fov for view in views}) != 1 or not_pinhole(views):
        return {}
    count = len(views)
    test = [i for i in range(count) if i % HELD_BACK == HELD_BACK - 1] or ([count - 1] if count > 1 else [])
    train = [i for i in range(count) if i not in test]

    def document(chosen: list[int]) -> dict[str, Any]:
        return {
            "camera_angle_x": math.radians(views[0].camera.fov),
            "frames": [
                {
                    "file_path": f"./{files[i].removesuffix('.png')}",
                    "transform_matrix": views[i].camera.camera_to_world_opengl.tolist(),
                }
                for i in chosen
            ],
        }

    return {
        "transforms_train.json": document(train),
        "transforms_val.json": document(test),
        "transforms_test.json": document(test),
    }
