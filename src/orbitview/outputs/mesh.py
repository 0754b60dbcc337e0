"""The mesh as files with textures: GLB, OBJ, USDZ, PLY; real sizes and face budgets."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from ..errors import InvalidRequest
from ..view import Views
from .options import OutputOptions
from .usdz import write_usdz

_NO_MESH = "This engine makes no mesh."
_USE = "Use an engine with geometry, such as lift."
FINE_FACES = 200_000
"""Most triangles of a coloured mesh for which no budget was given."""


def mesh_of(views: Views, texture: int | None = None, faces: int | None = None) -> trimesh.Trimesh:
    """The view set's mesh, with a texture's side and a face budget where they are given.

    Raises:
        InvalidRequest: the engine made no mesh, or makes its mesh in one size only.
    """
    if texture is None and faces is None:
        if views.mesh is None:
            raise InvalidRequest(_NO_MESH, hint=_USE, field="formats")
        return views.mesh
    if not hasattr(views.scene, "mesh"):
        raise InvalidRequest(_NO_MESH, hint=_USE, field="formats")
    wanted: dict[str, Any] = {"texture": texture, "most_faces": faces}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if not wanted.keys() <= inspect.signature(views.scene.mesh).parameters.keys():
        raise InvalidRequest("This engine makes its mesh in one size only.", hint="Leave faces and texture out.")
    mesh: trimesh.Trimesh = views.scene.mesh(**wanted)
    return mesh


def write_mesh(views: Views, name: str, directory: Path, options: OutputOptions) -> dict[str, Path]:
    """Write ``object.NAME`` (glb, obj, usdz or ply) and what belongs to it; returns paths by file name.

    y is up; with a real size, units are metres and the object stands on y = 0.

    Raises:
        InvalidRequest: the engine made no mesh.
    """
    mesh = placed(mesh_of(views, options.texture, options.faces), options, stand=name == "usdz")
    path = directory / f"object.{name}"
    if name == "glb":
        path.write_bytes(trimesh.Scene({"object": _with_jpeg(mesh)}).export(file_type="glb"))
    elif name == "usdz":
        write_usdz(mesh, path)
    elif name == "ply":
        path.write_bytes(coloured(mesh, options.faces or FINE_FACES).export(file_type="ply", vertex_normal=True))
    else:
        return _write_obj(mesh, directory)
    return {path.name: path}


def placed(mesh: trimesh.Trimesh, options: OutputOptions, stand: bool = False) -> trimesh.Trimesh:
    """A copy in its real size; standing on y = 0 where a size was given or ``stand`` asks for it."""
    mesh = mesh.copy()
    size = options.metres
    if size is not None:
        mesh.apply_scale(size[1] / float(mesh.extents[size[0]]))
    if size is not None or stand:
        low, high = mesh.bounds
        mesh.apply_translation([-(low[0] + high[0]) / 2, -low[1], -(low[2] + high[2]) / 2])
    return mesh


def coloured(mesh: trimesh.Trimesh, most_faces: int = FINE_FACES) -> trimesh.Trimesh:
    """The mesh with a colour for each vertex, its texture's charts sewn together again.

    Triangles are split in four while there are few enough: what lies between vertices has no colour of its own.
    """
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    extra = {"uv": np.asarray(mesh.visual.uv), "normal": np.asarray(mesh.vertex_normals)}
    while 4 * len(faces) <= most_faces:
        vertices, faces, extra = trimesh.remesh.subdivide(vertices, faces, vertex_attributes=extra)
    colours = trimesh.visual.color.uv_to_color(extra["uv"], mesh.visual.material.baseColorTexture)
    points, first, index = np.unique(np.asarray(vertices, np.float32), axis=0, return_index=True, return_inverse=True)
    total = np.zeros((len(points), 4))
    np.add.at(total, index.ravel(), colours)
    mean = (total / np.bincount(index.ravel())[:, None]).round().astype(np.uint8)
    normals = extra["normal"][first]
    return trimesh.Trimesh(
        points,
        index.ravel()[faces],
        vertex_normals=normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9),
        vertex_colors=mean,
        process=False,
    )


def _with_jpeg(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh with its texture as JPEG: a tenth of PNG's bytes in a file that people load over the net."""
    material = mesh.visual.material.copy()
    material.baseColorTexture = Image.open(io.BytesIO(texture_bytes(mesh, "JPEG")))
    mesh.visual = trimesh.visual.TextureVisuals(uv=mesh.visual.uv, material=material)
    return mesh


def texture_bytes(mesh: trimesh.Trimesh, kind: str) -> bytes:
    """The base-colour texture, encoded."""
    buffer = io.BytesIO()
    mesh.visual.material.baseColorTexture.convert("RGB").save(buffer, kind, quality=92)
    return buffer.getvalue()


def _write_obj(mesh: trimesh.Trimesh, directory: Path) -> dict[str, Path]:
    """OBJ, MTL and PNG, each row of the OBJ a vertex, its texture coordinate and its normal."""
    lines = ["# orbitview", "mtllib object.mtl", "o object", "usemtl object"]
    lines += [f"v {x:.6g} {y:.6g} {z:.6g}" for x, y, z in mesh.vertices]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in mesh.visual.uv]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.vertex_normals]
    lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in np.asarray(mesh.faces) + 1]
    # A colour beside a texture multiplies it: it must be white.
    material = "newmtl object\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd object.png\n"
    content = {
        "object.obj": ("\n".join(lines) + "\n").encode(),
        "object.mtl": material.encode(),
        "object.png": texture_bytes(mesh, "PNG"),
    }
    for name, data in content.items():
        (directory / name).write_bytes(data)
    return {name: directory / name for name in content}
