"""From the filled cells of a frustum to one clean closed mesh."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from skimage.measure import marching_cubes

from ...errors import InvalidImage
from .frustum import Floats
from .thin import axes_of_thin_parts, with_thin_parts
from .walls import with_whole_walls

FINE = 128
"""Rows and columns of the field that the surface is taken from."""
EVEN = (0.4, 0.4, 0.4)
"""Blur in cells: neighbouring cells of the network's answer differ by its habits more than by the object."""
_HINT = "Use a picture in which the object is larger."
STEEP = 2.0
"""Log odds beyond which a cell says no more of where the surface runs: certain cells would push it about."""


def surface(
    logits: Floats, matte: Floats, cut: Callable[[Floats], Floats] | None = None
) -> tuple[Floats, NDArray[np.int32]]:
    """The iso-surface, as vertices in the frustum's normalised coordinates and faces (outward, watertight).

    Args:
        logits: (bins, grid, grid) log odds.
        matte: (T, T) alpha; the surface never leaves the picture's outline.
        cut: takes away what other pictures' outlines leave out of the (bins, FINE, FINE) field, positive inside.
    """
    bins = len(logits)
    axes = axes_of_thin_parts(matte, FINE)
    outline = np.maximum(cv2.resize(matte, (FINE, FINE), interpolation=cv2.INTER_AREA), axes)
    field = _every_ray_hits(logits, cv2.resize(outline, logits.shape[:0:-1], interpolation=cv2.INTER_AREA))
    field = np.moveaxis(cv2.resize(np.moveaxis(field, 0, -1), (FINE, FINE), interpolation=cv2.INTER_LINEAR), -1, 0)
    field = with_thin_parts(ndimage.gaussian_filter(field, (0.3, 0.5, 0.5)), axes, STEEP)
    field = with_whole_walls(field)
    field = np.minimum(field, (cv2.GaussianBlur(outline, (0, 0), 0.6) - 0.45) * 12)
    if cut is not None:
        field = cut(field)
    padded = np.pad(field, 1, constant_values=-STEEP)
    if not (padded > 0).any():
        padded[bins // 2 : bins // 2 + 3][:, np.pad(outline, 1) > min(0.4, float(outline.max()) / 2)] = 1
    if not (padded > 0).any():
        raise InvalidImage("The object is too small or too thin to be lifted.", hint=_HINT, field="image")
    vertices, faces, _, _ = marching_cubes(padded, 0.0)
    # (bin, row, column) of the padded field -> (u, v, s)
    at = (vertices[:, ::-1] - 1 + 0.5) / np.array([FINE, FINE, bins]) * 2 - 1
    at, faces = _largest(at.astype(np.float32), faces.astype(np.int32))
    return smooth(at, faces), faces


def filled_cells(logits: Floats, matte: Floats) -> NDArray[np.bool_]:
    """(bins, grid, grid): the cells inside the surface, at the guess's own resolution.

    Args:
        logits: (bins, grid, grid) log odds.
        matte: (T, T) alpha.
    """
    outline = cv2.resize(matte, logits.shape[:0:-1], interpolation=cv2.INTER_AREA)
    return np.asarray((_every_ray_hits(logits, outline) > 0) & (outline > 0.3))


def _every_ray_hits(logits: Floats, matte: Floats) -> Floats:
    """Give every ray inside the outline a surface.

    Where depth is uncertain no single cell of a ray gets to even odds, and thin parts would vanish. A ray
    whose probabilities add up to K is meant to fill K cells: its threshold falls to the K-th likeliest cell.
    """
    inside = (matte > 0.3).astype(np.float32)
    share = ndimage.gaussian_filter(inside, EVEN[1:])
    blurred = ndimage.gaussian_filter(logits * inside, EVEN) / np.maximum(share, 0.05)
    logits = np.where(inside > 0, blurred, ndimage.gaussian_filter1d(logits, EVEN[0], axis=0))
    likely = 1 / (1 + np.exp(-np.clip(logits, -8, 8)))
    count = np.clip(np.rint(likely.sum(0)).astype(int), 1, len(logits))
    ranked = -np.sort(-logits, axis=0)
    threshold = np.take_along_axis(ranked, count[None] - 1, 0)[0] - 0.1
    lowered = np.where(inside > 0, np.minimum(threshold, 0), 0)
    weight = ndimage.gaussian_filter(inside, 0.8)
    lowered = ndimage.gaussian_filter(lowered, 0.8) / np.maximum(weight, 0.1)
    return np.asarray(np.clip(logits - lowered, -STEEP, STEEP), np.float32)


def _largest(vertices: Floats, faces: NDArray[np.int32]) -> tuple[Floats, NDArray[np.int32]]:
    """Keep the pieces with at least a fiftieth of the vertices of the largest."""
    count = len(vertices)
    edges = sparse.coo_matrix(
        (np.ones(len(faces) * 2), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), shape=(count, count)
    )
    _, label = sparse.csgraph.connected_components(edges, directed=False)
    sizes = np.bincount(label)
    keep = sizes[label] >= sizes.max() / 50
    renumber = np.cumsum(keep) - 1
    kept = faces[keep[faces].all(1)]
    return vertices[keep], renumber[kept].astype(np.int32)


def smooth(vertices: Floats, faces: NDArray[np.int32], rounds: int = 6) -> Floats:
    """Taubin's smoothing (1995): takes out the stair-steps, keeps the volume."""
    average = neighbour_average(faces, len(vertices))
    for _ in range(rounds):
        vertices = vertices + 0.5 * (average @ vertices - vertices)
        vertices = vertices - 0.52 * (average @ vertices - vertices)
    return np.asarray(vertices, np.float32)


def edges_of(faces: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both ends of every face's edges, each edge in both directions."""
    i = np.concatenate([faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()])
    j = np.concatenate([faces[:, [1, 2, 0]].ravel(), faces[:, [0, 1, 2]].ravel()])
    return i, j


def neighbour_average(faces: NDArray[np.int32], count: int) -> sparse.csr_matrix:
    """(V, V) matrix that replaces a vertex's value by the mean over its neighbours."""
    i, j = edges_of(faces)
    matrix = sparse.csr_matrix((np.ones(len(i), np.float32), (i, j)), shape=(count, count))
    matrix.data[:] = 1
    degree = np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)
    return sparse.diags(1 / degree).astype(np.float32) @ matrix


def vertex_normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    """(V, 3) unit normals, faces weighted by area."""
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack([np.bincount(faces.ravel(), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)], 1)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), np.float32)
