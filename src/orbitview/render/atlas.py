"""Bake a surface's colours into one texture: charts by xatlas, a ray through every texel."""

from __future__ import annotations

import numpy as np
import trimesh
import xatlas
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..arrays import Floats
from .caster import make_caster
from .picture import Shader

PADDING = 4
"""Texels between charts, filled with the nearest chart's colours so that smaller versions do not bleed."""


def textured(
    vertices: Floats, faces: NDArray[np.int32], normals: Floats, shade: Shader, size: int, backend: str = "auto"
) -> trimesh.Trimesh:
    """The mesh cut into charts, with texture coordinates and a ``size`` × ``size`` base colour."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding, packing.bilinear = size, PADDING, True
    atlas.generate(xatlas.ChartOptions(), packing)
    source, corners, uv = atlas[0]
    corners = corners.astype(np.int32)
    # Rays straight through the unfolded surface find every texel's face and place in it.
    flat = np.column_stack([uv * size, np.zeros(len(uv))]).astype(np.float32)
    y, x = np.mgrid[0:size, 0:size].reshape(2, -1).astype(np.float32) + 0.5
    starts = np.column_stack([x, y, np.ones_like(x)]).astype(np.float32)
    hits = make_caster(flat, corners, backend).cast(starts, np.tile(np.array([0, 0, -1], np.float32), (len(x), 1)))
    met = hits.face >= 0
    inside = hits.take(met)
    points = inside.between(vertices[source[corners[inside.face]]])
    picture = np.zeros((size * size, 3), np.uint8)
    # xatlas keeps the order of faces, so the same hit names the same place on the uncut surface.
    picture[met] = (np.clip(shade(inside, points), 0, 1) * 255 + 0.5).astype(np.uint8)
    nearest = ndimage.distance_transform_edt(~met.reshape(size, size), return_distances=False, return_indices=True)
    picture = picture.reshape(size, size, 3)[tuple(nearest)]
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(picture),
        baseColorFactor=[255, 255, 255, 255],  # beside a texture, OBJ's Kd must be 1
        metallicFactor=0.0,
        roughnessFactor=0.9,
        name="orbitview",
    )
    return trimesh.Trimesh(
        vertices[source],
        corners,
        vertex_normals=normals[source],
        visual=trimesh.visual.TextureVisuals(uv=np.column_stack([uv[:, 0], 1 - uv[:, 1]]), material=material),
        process=False,
    )
