"""Bake a surface's colours into one texture, two triangles to a square cell: no overlaps, no seams to find."""

from __future__ import annotations

import math

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from ...errors import InvalidRequest
from ...render import Hits
from ...render.picture import Shader
from .frustum import Floats


def textured(vertices: Floats, faces: NDArray[np.int32], normals: Floats, shade: Shader, size: int) -> trimesh.Trimesh:
    """The mesh with its own corners per face, texture coordinates and a ``size`` × ``size`` base colour.

    Raises:
        InvalidRequest: the texture is too small for the number of faces.
    """
    cells = math.ceil(math.sqrt(math.ceil(len(faces) / 2)))
    cell = size // cells
    if cell < 4:
        raise InvalidRequest(
            f"A texture of {size} px is too small for {len(faces)} faces.", hint="Ask for a larger texture."
        )
    index = np.arange(len(faces))
    column, row, second = (index // 2) % cells, (index // 2) // cells, index % 2
    # Corners in texels: one triangle in the cell's upper left half, one in its lower right, half a texel inside.
    last = cell - 0.5
    upper = np.array([[0.5, 0.5], [last - 1.5, 0.5], [0.5, last - 1.5]])
    lower = np.array([[last, last], [2.0, last], [last, 2.0]])
    corners = np.where(second[:, None, None] == 1, lower, upper) + np.stack([column, row], 1)[:, None, :] * cell
    y, x = np.mgrid[0 : cells * cell, 0 : cells * cell]
    face = ((y // cell) * cells + x // cell) * 2 + ((x % cell) + (y % cell) >= cell - 1)
    face = np.minimum(face, len(faces) - 1).ravel()
    place = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1) - corners[face, 0]
    one, two = corners[face, 1] - corners[face, 0], corners[face, 2] - corners[face, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    u = np.clip((place[:, 0] * two[:, 1] - place[:, 1] * two[:, 0]) / area, 0, 1)
    v = np.clip((one[:, 0] * place[:, 1] - one[:, 1] * place[:, 0]) / area, 0, 1)
    over = np.maximum(u + v, 1)
    u, v = (u / over).astype(np.float32), (v / over).astype(np.float32)
    corner = vertices[faces[face]]
    points = corner[:, 0] * (1 - u - v)[:, None] + corner[:, 1] * u[:, None] + corner[:, 2] * v[:, None]
    colour = shade(Hits(face.astype(np.int32), u, v, u), points.astype(np.float32))
    picture = np.zeros((size, size, 3), np.uint8)
    picture[: cells * cell, : cells * cell] = (
        (np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(cells * cell, -1, 3)
    )
    uv = corners.reshape(-1, 2) / size
    uv[:, 1] = 1 - uv[:, 1]
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(picture), metallicFactor=0.0, roughnessFactor=0.9, name="orbitview"
    )
    return trimesh.Trimesh(
        vertices[faces].reshape(-1, 3),
        np.arange(len(faces) * 3).reshape(-1, 3),
        vertex_normals=normals[faces].reshape(-1, 3),
        visual=trimesh.visual.TextureVisuals(uv=uv, material=material),
        process=False,
    )
