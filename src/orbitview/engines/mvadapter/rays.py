"""Cameras as the condition encoder sees them: a map of rays for each view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ...cameras import Camera

_TO_Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Our world (y up, the front camera on +z) in the model's: z up, the front camera on -y."""


def ray_maps(cameras: Sequence[Camera], size: int) -> Tensor:
    """(V, 6, size, size) in [0, 1]: each pixel's ray, of orthographic cameras.

    The rays of one such camera are parallel, and the model tells them apart by their place in the picture alone: all
    pixels hold the forward direction, then the camera's position as a direction from the object, each number from -1..1
    to 0..1 (as the published ``get_plucker_embeds_from_cameras_ortho`` has it; no moment of a line is in it).
    """
    numbers = []
    for camera in cameras:
        forward = _TO_Z_UP @ camera.rotation[:, 2]
        numbers.append(np.concatenate([forward, -forward]))  # every camera on an orbit looks at the object's middle
    rays = torch.from_numpy(np.stack(numbers).astype(np.float32)).clamp(-1, 1)
    return ((rays + 1) / 2)[:, :, None, None].expand(-1, -1, size, size).contiguous()
