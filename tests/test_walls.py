"""Walls of about a cell have no pinholes, and nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from skimage.measure import marching_cubes

from orbitview.engines.lift.walls import with_whole_walls


def field(wall: float) -> np.ndarray:
    """A hollow ball of 13.3 cells radius, its wall so many cells thick: the centre of a cell is always in it."""
    apart = np.linalg.norm(np.mgrid[:40, :40, :40] - 19.37, axis=0) - 13.3
    return np.asarray(np.clip(wall / 2 - np.abs(apart), -2, 2), np.float32)


def tunnels(cells: np.ndarray) -> int:
    vertices, faces, _, _ = marching_cubes(cells, 0.0)
    mesh = trimesh.Trimesh(vertices, faces)
    return len(mesh.split(only_watertight=False)) - mesh.euler_number // 2


@pytest.mark.parametrize("wall", [1.02, 1.2, 1.5])
def test_a_thin_wall_is_whole(wall: float) -> None:
    assert tunnels(field(wall)) > 5
    assert tunnels(with_whole_walls(field(wall))) == 0


def test_a_thick_one_stays_as_it_was() -> None:
    before = field(5)
    after = with_whole_walls(before)
    assert (before > 0).sum() <= (after > 0).sum() <= 1.03 * (before > 0).sum()
    assert tunnels(after) == tunnels(before) == 0


def test_two_things_with_a_gap_stay_two() -> None:
    cells = np.full((20, 20, 20), -2, np.float32)
    cells[4:8, 4:16, 4:16] = cells[11:15, 4:16, 4:16] = 2
    after = with_whole_walls(cells)
    assert (after[8:11] < 0).all()
