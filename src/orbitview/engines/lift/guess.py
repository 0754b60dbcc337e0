"""What a predictor says of a framed picture, and the hand-made predictor: an inflated silhouette."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from ...cameras import Camera
from .framing import Framed
from .frustum import GRID, Floats, Frustum

DEFAULT_ELEVATION = 12.0
"""Of the picture's camera in degrees, where nobody knows better: most people hold theirs a little above."""


SOFTNESS = 6.0
"""Blur of the hidden side's colours in cells of the grid."""
MIRROR = 0.15
"""Share of the sharp picture in them."""


@dataclass(frozen=True)
class Mirror:
    """The plane of all points x with ``normal @ x == offset``; the normal is level."""

    normal: Floats
    offset: float

    def points(self, points: Floats) -> Floats:
        """Mirror images of (..., 3) points."""
        return np.asarray(points - 2 * (points @ self.normal - self.offset)[..., None] * self.normal, np.float32)

    def directions(self, vectors: Floats) -> Floats:
        """Mirror images of (..., 3) vectors."""
        return np.asarray(vectors - 2 * (vectors @ self.normal)[..., None] * self.normal, np.float32)

    def moved(self, centre: Floats, scale: float) -> Mirror:
        """The same plane after x became (x - centre) * scale."""
        return Mirror(self.normal, float(self.offset - self.normal @ centre) * scale)


@dataclass
class Guess:
    """An object in the frustum.

    Attributes:
        logits: (BINS, rays, rays) log odds of being filled.
        frustum: the one stated by the caller, or the estimated one.
        colour: (6, bins, rows, columns): RGB in [0, 1], where else in the picture to look (u, v offset), and
            how far to trust that in [0, 1]; None to look at the same place of the picture (front to back).
        mirror: the object's plane of symmetry, where one was found that shows something of the hidden side.
    """

    logits: Floats
    frustum: Frustum
    colour: Floats | None = None
    mirror: Mirror | None = None


def estimated_frustum(elevation: float, slope: float, width: float) -> Frustum:
    """The frustum of a window of which only these numbers are known (degrees, tangent, diagonals)."""
    slope, width = float(np.clip(slope, 0.12, 0.7)), float(np.clip(width, 0.35, 1.3))
    camera = Camera(0.0, float(np.clip(elevation, -89, 89)), max(width / (2 * slope), 0.55))
    return Frustum(camera.position.astype(np.float32), camera.rotation.astype(np.float32), slope, width / (2 * slope))


def inflate(framed: Framed) -> Guess:
    """Blow the silhouette up to a smooth body that stands upright.

    The half thickness is the square root of the solution of a Poisson equation over the silhouette, so that
    a disc becomes a ball and a strip a rod (Prasad and Fitzgibbon 2006 call it the inflation of an outline).
    Where the caller stated the camera, the object's bounding-box diagonal is known to be 1, and what width
    and height leave of it is its depth.
    """
    elevation = DEFAULT_ELEVATION if framed.elevation is None else framed.elevation
    frustum = framed.frustum or estimated_frustum(elevation, math.tan(math.radians(15)), 0.8)
    matte = cv2.resize(framed.matte, (GRID, GRID), interpolation=cv2.INTER_AREA)
    profile = _thickness(matte > 0.3) / GRID * frustum.width
    rows, columns = np.flatnonzero((matte > 0.3).any(1)), np.flatnonzero((matte > 0.3).any(0))
    wide = (np.ptp(columns) + 1) / GRID * frustum.width if len(columns) else frustum.width
    tall = (np.ptp(rows) + 1) / GRID * frustum.width if len(rows) else frustum.width
    if framed.frustum is not None:
        deep = _depth(wide, tall, math.radians(elevation))
        profile = (profile + (profile / max(float(profile.max()), 1e-6)) ** 0.8 * deep / 2) / 2
    else:
        profile = np.minimum(profile, 0.35 * min(wide, 1.2 * tall))
    # A body's middle leans between the picture's plane and the upright plane through its centre.
    world = frustum.cell_centres()
    middle = -0.45 * world[..., 1] * math.tan(math.radians(float(np.clip(elevation, -60, 60))))
    inside = profile - np.abs(world[..., 2] - middle)
    return Guess(np.clip(inside / frustum.width * 60, -6, 6).astype(np.float32), frustum, _faint_mirror(framed))


def _faint_mirror(framed: Framed) -> Floats:
    """Colours of the back: the front's, straight through, softened so that no face looks out of the back of a head."""
    small = cv2.resize(framed.texture, (GRID, GRID), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), SOFTNESS)
    colour = np.zeros((6, 1, GRID, GRID), np.float32)
    colour[:3, 0] = np.moveaxis(soft, -1, 0)
    colour[5] = MIRROR
    return colour


def _depth(wide: float, tall: float, elevation: float) -> float:
    """Depth of an upright box of diagonal 1 that looks ``wide`` × ``tall`` from an elevation in radians."""
    best, error = 0.2, math.inf
    for deep in np.linspace(0.1, 0.9, 81):
        high = (tall - deep * abs(math.sin(elevation))) / max(math.cos(elevation), 0.2)
        miss = abs(wide**2 + max(high, 0.02) ** 2 + deep**2 - 1)
        if miss < error:
            best, error = float(deep), miss
    # Seen from the front, objects are rarely deeper than wide (measured on training objects).
    return min(best, 0.9 * wide)


def _thickness(mask: np.ndarray) -> np.ndarray:
    """(H, W) half thickness in cells: sqrt of phi, where the Laplacian of phi is -4 in the mask and phi 0 outside."""
    rows, columns = np.nonzero(mask)
    count = len(rows)
    if not count:
        return np.zeros(mask.shape)
    index = np.full((mask.shape[0] + 2, mask.shape[1] + 2), -1)
    index[rows + 1, columns + 1] = np.arange(count)
    entries = [(np.arange(count), np.arange(count), np.full(count, 4.0))]
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        near = index[rows + 1 + dy, columns + 1 + dx]
        here = np.flatnonzero(near >= 0)
        entries.append((here, near[here], np.full(len(here), -1.0)))
    i, j, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    matrix = sparse.csc_matrix((value, (i, j)), shape=(count, count))
    phi = np.zeros(mask.shape)
    phi[rows, columns] = spsolve(matrix, np.full(count, 4.0))
    return np.sqrt(np.maximum(phi, 0))
