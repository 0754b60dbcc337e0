"""Solids for 3D print: STL and 3MF, in millimetres, z up, standing on a flat foot."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..errors import OrbitviewError
from ..view import Views
from .archive import zip_write
from .mesh import mesh_of
from .options import OutputOptions

UNSIZED = 100.0
"""Millimetres of the bounding box's diagonal where no size was given."""
FOOT = 0.01
"""Share of the height cut off below, so that a rounded underside stands."""


def solid(views: Views, options: OutputOptions) -> trimesh.Trimesh:
    """One closed solid (every edge in two triangles, outward) in millimetres, z up, its foot on z = 0.

    Raises:
        InvalidRequest: the engine made no mesh.
        OrbitviewError: no solid can be made of its mesh.
    """
    body = _body(views, options.faces)
    vertices = np.asarray(body.vertices)[:, [0, 2, 1]] * [1, -1, 1]
    extents = np.ptp(vertices, axis=0)
    size = options.metres
    axis = {0: 0, 1: 2, 2: 1}[size[0]] if size else 0
    # The foot is cut off first: the height asked for is that of what is printed.
    shrink = 1 - FOOT if size and axis == 2 else 1
    scale = size[1] * 1000 / float(extents[axis] * shrink) if size else UNSIZED / float(np.linalg.norm(extents))
    low, high = vertices.min(0), vertices.max(0)
    vertices = (vertices - [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2] + FOOT * (high[2] - low[2])]) * scale
    whole = _manifold(vertices, np.asarray(body.faces)).trim_by_plane((0.0, 0.0, 1.0), 0.0)
    if not _closed(whole):
        raise OrbitviewError("No solid can be made of this mesh.", hint="Ask for glb or obj and mend it there.")
    found = whole.to_mesh()
    return trimesh.Trimesh(np.asarray(found.vert_properties)[:, :3], np.asarray(found.tri_verts), process=False)


def _body(views: Views, faces: int | None) -> trimesh.Trimesh:
    """The surface without texture: as the scene has it, else the textured mesh; decimated where a budget is given."""
    scene = views.scene
    if hasattr(scene, "vertices") and hasattr(scene, "faces"):
        body = trimesh.Trimesh(np.asarray(scene.vertices), np.asarray(scene.faces), process=False)
    else:
        body = mesh_of(views).copy()
        body.merge_vertices(merge_tex=True, merge_norm=True)
    if faces is not None and len(body.faces) > faces:
        small = body.simplify_quadric_decimation(face_count=faces)
        if _closed(_manifold(np.asarray(small.vertices), np.asarray(small.faces))):
            return small
        # Where decimation pinches the surface: Manifold's own, which never does, by ever larger deviations.
        whole = _manifold(np.asarray(body.vertices), np.asarray(body.faces))
        for tolerance in np.geomspace(1e-4, 0.05, 20):
            if whole.num_tri() <= faces:
                break
            whole = whole.simplify(float(tolerance))
        found = whole.to_mesh()
        return trimesh.Trimesh(np.asarray(found.vert_properties)[:, :3], np.asarray(found.tri_verts), process=False)
    return body


def _manifold(vertices: np.ndarray, faces: np.ndarray) -> Any:
    try:
        import manifold3d
    except ImportError as error:
        raise OrbitviewError("Manifold is not installed.", hint="Run: pip install manifold3d.") from error
    return manifold3d.Manifold(
        manifold3d.Mesh(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32))
    )


def _closed(solid: Any) -> bool:
    return bool(solid.status().name == "NoError" and not solid.is_empty())


def write_print(views: Views, name: str, directory: Path, options: OutputOptions) -> Path:
    """Write ``object.stl`` or ``object.3mf``."""
    mesh = solid(views, options)
    path = directory / f"object.{name}"
    if name == "stl":
        path.write_bytes(mesh.export(file_type="stl"))
    else:
        _write_3mf(mesh, path)
    return path


def _write_3mf(mesh: trimesh.Trimesh, path: Path) -> None:
    """3MF Core Specification 1.3: one model part with one object, and what points at it."""
    points = "".join(f'<vertex x="{x:.5f}" y="{y:.5f}" z="{z:.5f}"/>' for x, y, z in mesh.vertices)
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in mesh.faces)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    model = (
        f'{head}<model unit="millimeter" xml:lang="en-US" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
        '<metadata name="Application">orbitview</metadata>'
        f'<resources><object id="1" type="model" name="object"><mesh><vertices>{points}</vertices>'
        f'<triangles>{faces}</triangles></mesh></object></resources><build><item objectid="1"/></build></model>'
    )
    types = (
        f'{head}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
    )
    relations = (
        f'{head}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rel0" Target="/3D/3dmodel.model" '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        zip_write(archive, "[Content_Types].xml", types)
        zip_write(archive, "_rels/.rels", relations)
        zip_write(archive, "3D/3dmodel.model", model)
