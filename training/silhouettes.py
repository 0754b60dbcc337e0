"""Outlines of a frustum's volume from other sides: what the loop compares, since it is what one sees."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from orbitview.engines.lift.frustum import REACH

SIDE = 48
"""Pixels across and down; one is wider than a cell is deep, so that solid things have no holes."""
SPAN = 1.5
"""Width of the pictures, in widths of the window at the object's centre."""
FAINT = 0.1
"""Cells that are filled less are not drawn."""


Rays = tuple[Tensor, Tensor, Tensor]
"""Sample, row and column, (N,) each."""


def silhouettes(
    filled: Tensor,
    true: Tensor,
    rays: Rays,
    grid: int,
    camera: Tensor,
    view: Tensor | None = None,
    steps: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Parallel projections of two volumes along one direction a sample: the fullest cell behind each pixel.

    Args:
        filled: (N, bins) in [0, 1], the cells of N rays, to learn.
        true: the same shape, the target.
        rays: which rays they are.
        grid: rays across and down a frustum.
        camera: (B, 5) the frustums' numbers (world up, logarithms of slope and width).
        view: (B, 2) azimuth (relative to the picture's) and elevation in radians to look from; random if None.
        steps: the steps of depth to draw; all if None. Only the fullest cell behind a pixel learns, and drawn
            whole some steps became everybody's fullest: a random half each time keeps neighbours equal.

    Returns:
        (B, SIDE, SIDE) twice: of ``filled``, differentiable, and of ``true``, 0 or 1.
    """
    if view is None:
        chance = torch.rand(len(camera), 2)
        view = torch.stack([chance[:, 0] * 2 * torch.pi, torch.deg2rad(chance[:, 1] * 50 - 10)], 1)
    axes = torch.stack(_axes(camera, view.to(camera.device)), 1)
    depths = ((torch.arange(filled.shape[1], device=filled.device) + 0.5) / filled.shape[1] * 2 - 1) * REACH
    if steps is not None:
        filled, true, depths = filled[:, steps], true[:, steps], depths[steps]
    # In widths of the window, relative to the object's centre: a ray is a start and a step.
    sample, row, column = rays
    slope = torch.exp(camera[sample, 3])
    tilt = torch.stack([(column + 0.5) / grid * 2 - 1, (row + 0.5) / grid * 2 - 1], 1)
    ahead = torch.cat([tilt * slope[:, None], torch.ones_like(tilt[:, :1])], 1)
    start = torch.cat([tilt * 0.5, torch.zeros_like(tilt[:, :1])], 1)
    at = torch.stack([(axes[sample] * part[:, None]).sum(-1) for part in (start, ahead)]) / SPAN * SIDE
    with torch.no_grad():
        shown = _project((true > 0.4).to(filled.dtype), depths, at, sample, len(camera))
    return _project(filled, depths, at, sample, len(camera)), shown


def _project(cells: Tensor, depths: Tensor, at: Tensor, sample: Tensor, count: int) -> Tensor:
    """The fullest of the rays' cells behind each of ``count`` pictures' pixels; ``at`` (2, N, 2) starts and steps."""
    ray, step = torch.nonzero(cells.detach() > FAINT, as_tuple=True)
    depth = depths[step]
    right, down = ((at[0, ray, k] + depth * at[1, ray, k] + SIDE / 2).long().clamp(0, SIDE - 1) for k in (0, 1))
    place = (sample[ray] * SIDE + down) * SIDE + right
    picture = cells.new_zeros(count * SIDE * SIDE)
    return picture.scatter_reduce(0, place, cells[ray, step], "amax").reshape(-1, SIDE, SIDE)


def _axes(camera: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3) twice: right and down of the pictures, in the frustum's own axes."""
    up, forward = camera[:, :3], torch.zeros_like(camera[:, :3])
    forward[:, 2] = 1
    level = F.normalize(forward - (forward * up).sum(1, keepdim=True) * up, dim=1)
    aside = torch.linalg.cross(level, up)
    azimuth, elevation = view[:, :1], view[:, 1:]
    # A camera that moved to its own right looks back to the left.
    ahead = torch.cos(azimuth) * level - torch.sin(azimuth) * aside
    right = torch.linalg.cross(ahead, up)
    along = torch.cos(elevation) * ahead - torch.sin(elevation) * up
    return right, torch.linalg.cross(along, right)
