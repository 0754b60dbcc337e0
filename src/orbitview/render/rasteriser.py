"""The NumPy stand-in for Embree: rays from one point, or parallel ones, are pixels; triangles are drawn, not traced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from .hits import Hits

_PAIRS = 2_000_000
"""Triangle-ray pairs tested at a time; bounds memory."""


class NumpyCaster:
    """Answers rays that start at one point or are parallel. Same results as Embree up to rounding, a few times slower.

    Rays are projected to the plane around their mean direction and sorted into square bins; a triangle is
    tested against the rays of the bins that its projection touches (edge functions, nearest depth kept).
    """

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        self._vertices = np.asarray(vertices, np.float64)
        self._faces = np.asarray(faces)

    def cast(self, origins: Floats, directions: Floats) -> Hits:
        """First hits of rays from one origin (3,), or (N, 3): of equal rows, or on a plane that the rays stand on.

        Rays from one point must lie in one half space.

        Raises:
            ValueError: the rays start at different points and are not parallel, or not on one plane across them.
        """
        origin = np.asarray(origins, np.float64).reshape(-1, 3)
        parallel = len(origin) > 1 and bool(np.ptp(origin, axis=0).max() > 1e-9)
        rays = np.asarray(directions, np.float64).reshape(-1, 3)
        count = len(rays)
        face, u = np.full(count, -1, np.int32), np.zeros(count, np.float32)
        v, distance = np.zeros(count, np.float32), np.full(count, np.inf)
        if not count or not len(self._faces):
            return Hits(face, u, v, distance.astype(np.float32))
        mean = rays.mean(0)
        forward = mean / np.linalg.norm(mean)
        right = np.cross(forward, [0, 1, 0] if abs(forward[1]) < 0.9 else [1, 0, 0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward], 1)
        local = rays @ axes
        points = (self._vertices - origin[0]) @ axes
        ahead = (points[self._faces][..., 2] > 1e-6).all(1)
        if parallel:
            starts = (origin - origin[0]) @ axes
            off = np.ptp(starts[:, 2]) / max(1.0, float(np.abs(origin).max()))  # float32 far away is coarse
            if np.ptp(rays, axis=0).max() > 1e-6 or off > 1e-5:
                raise ValueError(
                    "the NumPy caster takes rays from one point, or parallel ones from a plane across them"
                )
            plane, flat = starts[:, :2], points[:, :2]
        else:
            plane = local[:, :2] / local[:, 2:]
            flat = points[:, :2] / np.where(points[:, 2:] > 1e-6, points[:, 2:], 1.0)
        corners = flat[self._faces]
        bins = _Bins(plane)
        low, high = bins.cells(corners.min(1)), bins.cells(corners.max(1))
        inside = ahead & (corners.max(1) >= bins.low).all(1) & (corners.min(1) <= bins.high).all(1)
        chosen = np.flatnonzero(inside)
        spans = high[chosen] - low[chosen] + 1
        cells = spans.prod(1)
        order = np.argsort(cells, kind="stable")
        chosen, spans, cells = chosen[order], spans[order], cells[order]
        start = 0
        limit = max(1, _PAIRS // max(1, bins.fullest))
        while start < len(chosen):
            stop = start + max(1, int(np.searchsorted(np.cumsum(cells[start:]), limit)))
            some = chosen[start:stop], spans[start:stop]
            self._draw(*some, low, bins, plane, corners, points[:, 2], parallel, (face, u, v, distance))
            start = stop
        # Depth along the forward axis over the ray's own forward part is the distance along the ray as given.
        met = face >= 0
        distance[met] /= local[met, 2]
        return Hits(face, u, v, distance.astype(np.float32))

    def _draw(
        self,
        chosen: NDArray[np.int64],
        spans: NDArray[np.int64],
        low: NDArray[np.int64],
        bins: _Bins,
        plane: NDArray[np.float64],
        corners: NDArray[np.float64],
        ahead: NDArray[np.float64],
        parallel: bool,
        out: tuple[Ints, Floats, Floats, NDArray[np.float64]],
    ) -> None:
        face, out_u, out_v, depth = out
        cells = spans.prod(1)
        triangle = np.repeat(np.arange(len(chosen)), cells)
        step = np.arange(len(triangle)) - np.repeat(np.cumsum(cells) - cells, cells)
        column = low[chosen[triangle], 0] + step % spans[triangle, 0]
        row = low[chosen[triangle], 1] + step // spans[triangle, 0]
        cell = row * bins.side + column
        held = bins.count[cell]
        triangle = np.repeat(triangle, held)
        ray = bins.order[
            np.repeat(bins.first[cell], held) + np.arange(len(triangle)) - np.repeat(np.cumsum(held) - held, held)
        ]
        index = chosen[triangle]
        a, b, c = corners[index, 0], corners[index, 1], corners[index, 2]
        p = plane[ray]
        ab, ac, ap = b - a, c - a, p - a
        area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            second = (ap[:, 0] * ac[:, 1] - ap[:, 1] * ac[:, 0]) / area
            third = (ab[:, 0] * ap[:, 1] - ab[:, 1] * ap[:, 0]) / area
            inside = (second >= -1e-9) & (third >= -1e-9) & (second + third <= 1 + 1e-9)
        index, ray, second, third = index[inside], ray[inside], second[inside], third[inside]
        z = ahead[self._faces[index]]
        if parallel:
            z = z[:, 0] * (1 - second - third) + z[:, 1] * second + z[:, 2] * third
        else:
            inverse = 1 / z
            z = 1 / (inverse[:, 0] * (1 - second - third) + inverse[:, 1] * second + inverse[:, 2] * third)
            second, third = second * inverse[:, 1] * z, third * inverse[:, 2] * z
        order = np.lexsort((z, ray))
        first = np.ones(len(order), bool)
        first[1:] = ray[order[1:]] != ray[order[:-1]]
        best = order[first]
        best = best[z[best] < depth[ray[best]]]
        rays = ray[best]
        depth[rays], face[rays] = z[best], index[best]
        out_u[rays], out_v[rays] = second[best], third[best]


class _Bins:
    """Points of a plane in a square grid of bins, about four to a bin."""

    def __init__(self, plane: NDArray[np.float64]) -> None:
        self.low, self.high = plane.min(0), plane.max(0)
        self.side = int(np.clip(np.sqrt(len(plane) / 4), 1, 1024))
        self._scale = self.side / np.maximum(self.high - self.low, 1e-12)
        at = self.cells(plane)
        cell = at[:, 1] * self.side + at[:, 0]
        self.order = np.argsort(cell, kind="stable")
        self.count = np.bincount(cell, minlength=self.side**2)
        self.first = np.cumsum(self.count) - self.count
        self.fullest = int(self.count.max())

    def cells(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        at = np.floor((points - self.low) * self._scale)
        return np.asarray(np.clip(np.nan_to_num(at), 0, self.side - 1), np.int64)
