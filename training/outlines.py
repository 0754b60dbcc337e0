"""Outlines of a frustum's volume from other sides: what the loop compares late, since it is what one sees."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .grid import REACH

SIDE = 40
"""Pixels across and down, and steps along a ray."""
SPAN = 1.5
"""Width of the pictures, in widths of the window at the object's centre."""
FULL = 0.95
"""Most that one step hides: beyond, nothing could be learnt from it."""


def outlines(volume: Tensor, true: Tensor, camera: Tensor, view: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Parallel projections of two volumes along one direction a sample.

    Args:
        volume: (B, BINS, RAYS, RAYS) in [0, 1], to learn.
        true: (B, RAYS, RAYS, BINS) uint8, the target.
        camera: (B, 5) the frustums' numbers (world up, logarithms of slope and width).
        view: (B, 2) azimuth (relative to the picture's) and elevation in radians to look from; random if None.

    Returns:
        (B, SIDE²) twice: how much of the light behind each pixel is hidden.
    """
    if view is None:
        chance = torch.rand(len(camera), 2, device=camera.device)
        view = torch.stack([chance[:, 0] * 2 * torch.pi, torch.deg2rad(chance[:, 1] * 50 - 10)], 1)
    right, down, along = _axes(camera, view)
    axis = ((torch.arange(SIDE, device=camera.device) + 0.5) / SIDE - 0.5) * SPAN
    depth, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    steps = torch.stack([x, y, depth], -1).reshape(-1, 3)
    # In widths of the window, relative to the object's centre and in the frustum's own axes.
    place = torch.einsum("nk,bkj->bnj", steps, torch.stack([right, down, along], 1))
    slope = torch.exp(camera[:, 3])[:, None]
    reach = 1 + 2 * slope * place[..., 2]  # distance from the eye over the centre's
    grid = torch.stack([2 * place[..., 0] / reach, 2 * place[..., 1] / reach, place[..., 2] / REACH], -1)
    grid = grid.reshape(len(camera), SIDE, SIDE * SIDE, 1, 3)
    with torch.no_grad():
        shape = _hidden(true.permute(0, 3, 1, 2).float() / 255, grid)
    return _hidden(volume, grid), (shape > 0.5).float()


def _hidden(volume: Tensor, grid: Tensor) -> Tensor:
    found = F.grid_sample(volume[:, None], grid, align_corners=False)[:, 0, ..., 0]
    return 1 - torch.exp(torch.log1p(-FULL * found).sum(1))


def _axes(camera: Tensor, view: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, 3) each: right, down and forward of the pictures, in the frustum's own axes."""
    up, forward = camera[:, :3], torch.zeros_like(camera[:, :3])
    forward[:, 2] = 1
    level = F.normalize(forward - (forward * up).sum(1, keepdim=True) * up, dim=1)
    aside = torch.linalg.cross(level, up)
    azimuth, elevation = view[:, :1], view[:, 1:]
    # A camera that moved to its own right looks back to the left.
    ahead = torch.cos(azimuth) * level - torch.sin(azimuth) * aside
    right = torch.linalg.cross(ahead, up)
    along = torch.cos(elevation) * ahead - torch.sin(elevation) * up
    return right, torch.linalg.cross(along, right), along
