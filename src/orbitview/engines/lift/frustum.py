"""The framed camera's frustum: the coordinates in which the network sees and answers.

A frustum is a pinhole camera aimed at the object's outline, square, cut at two depths around the object's
centre. Its cells are ``bins`` steps of depth along the rays of a ``grid`` × ``grid`` picture. Normalised
coordinates (u, v, s) run from -1 to 1: u right, v down, s away from the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...arrays import Floats as Floats
from ...cameras import Camera

GRID = 64
"""Cells across and down."""
BINS = 64
"""Cells in depth."""
REACH = 0.85
"""Half the frustum's depth, in widths of the window at the object's centre."""


@dataclass
class Frustum:
    """Attributes:
    eye: (3,) position in the world.
    axes: 3×3, columns right, down and forward in the world.
    slope: tangent of half the field of view.
    centre: depth of the object's centre along the forward axis.
    """

    eye: Floats
    axes: Floats
    slope: float
    centre: float

    @classmethod
    def around(cls, points: Floats, camera: Camera, margin: float = 1.1, floor: float = 0.55) -> Self:
        """The frustum that frames world ``points`` (N, 3) as seen by ``camera``.

        Args:
            margin: window size over outline size.
            floor: least window width at the object's centre, in bounding-box diagonals; it keeps an
                elongated object that is seen end-on inside the depth range.
        """
        eye = camera.position
        local = (points - eye) @ camera.rotation
        low = (local[:, :2] / local[:, 2:]).min(0)
        high = (local[:, :2] / local[:, 2:]).max(0)
        return cls.aimed(camera, (low[0], low[1], high[0], high[1]), margin, floor)

    @classmethod
    def aimed(
        cls, camera: Camera, box: tuple[float, float, float, float], margin: float = 1.1, floor: float = 0.55
    ) -> Self:
        """The frustum around an outline's ``box`` (left, top, right, bottom as tangents of ``camera``)."""
        turn = _turn_to((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        corners = np.array([[x, y, 1.0] for x in (box[0], box[2]) for y in (box[1], box[3])]) @ turn
        slope = float(np.abs(corners[:, :2] / corners[:, 2:]).max()) * margin
        axes = camera.rotation @ turn
        centre = float(-camera.position @ axes[:, 2])
        slope = max(slope, floor / 2 / centre)
        return cls(camera.position.astype(np.float32), axes.astype(np.float32), slope, centre)

    @property
    def width(self) -> float:
        """Width of the window at the object's centre."""
        return 2 * self.centre * self.slope

    @property
    def elevation(self) -> float:
        """Of the camera above the object's middle, in degrees."""
        return float(np.degrees(np.arcsin(np.clip(-self.axes[1, 2], -1, 1))))

    def rays(self, size: int) -> Floats:
        """(size, size, 3) world directions through pixel centres, of unit depth."""
        axis = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1) * np.float32(self.slope)
        local = np.stack(np.broadcast_arrays(axis[None, :], axis[:, None], np.float32(1)), -1)
        return np.asarray(local @ self.axes.T)

    def world(self, normalised: Floats) -> Floats:
        """World positions (..., 3) of normalised coordinates."""
        depth = self.centre + normalised[..., 2:] * REACH * self.width
        local = np.concatenate([normalised[..., :2] * self.slope * depth, depth], -1)
        return np.asarray(local @ self.axes.T + self.eye, np.float32)

    def normalised(self, points: Floats) -> Floats:
        """Normalised coordinates (..., 3) of world positions."""
        local = (points - self.eye) @ self.axes
        depth = local[..., 2:]
        plane = local[..., :2] / (depth * self.slope)
        return np.asarray(np.concatenate([plane, (depth - self.centre) / (REACH * self.width)], -1), np.float32)

    def cell_centres(self, bins: int = BINS, grid: int = GRID) -> Floats:
        """(bins, grid, grid, 3) world positions."""
        s = (np.arange(bins, dtype=np.float32) + 0.5) / bins * 2 - 1
        a = (np.arange(grid, dtype=np.float32) + 0.5) / grid * 2 - 1
        cells = np.stack(np.meshgrid(s, a, a, indexing="ij")[::-1], -1)
        return self.world(cells[..., [0, 1, 2]])

    def cell_index(self, points: Floats, bins: int = BINS, grid: int = GRID) -> NDArray[np.int64]:
        """(N, 3) indices (bin, row, column), possibly outside the grid."""
        at = self.normalised(points)[:, ::-1]
        return np.asarray(np.floor((at + 1) / 2 * np.array([bins, grid, grid])), np.int64)

    def numbers(self) -> list[float]:
        """What the network may be told or asked: world up in the camera's axes, slope and width."""
        return [*(float(x) for x in self.axes[1]), self.slope, self.width]


def sample(volume: Floats, normalised: Floats, outside: float | None = None) -> Floats:
    """Values (...) of a (bins, rows, columns) volume at normalised coordinates (..., 3), trilinear.

    Args:
        outside: the value beyond the frustum; None to go on with the nearest.
    """
    at = (normalised[..., ::-1] + 1) / 2 * np.array(volume.shape) - 0.5
    how = {"mode": "nearest"} if outside is None else {"cval": outside}
    values = ndimage.map_coordinates(volume, np.moveaxis(at, -1, 0).reshape(3, -1), order=1, **how)
    return np.asarray(values.reshape(normalised.shape[:-1]), np.float32)


def _turn_to(x: float, y: float) -> NDArray[np.float64]:
    """3×3: columns are the axes, in the camera, of the camera turned the least way to look at (x, y, 1)."""
    forward = np.array([x, y, 1.0]) / math.sqrt(x * x + y * y + 1)
    axis = np.array([-forward[1], forward[0], 0.0])
    cosine = forward[2]
    skew = np.array([[0, 0, axis[1]], [0, 0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))
