"""The mesh as a GLB that opens in any viewer."""

from __future__ import annotations

import io
from pathlib import Path

import trimesh

from ..errors import InvalidRequest
from ..views import ViewSet


def write_glb(views: ViewSet, path: Path) -> Path:
    """Write the textured mesh as binary glTF 2.0 (y up, one base-colour texture).

    Raises:
        InvalidRequest: the engine made no mesh.
    """
    mesh = mesh_of(views)
    material = mesh.visual.material
    texture = material.baseColorTexture
    if texture is not None and texture.format != "JPEG":
        buffer = io.BytesIO()
        texture.convert("RGB").save(buffer, "JPEG", quality=92)
        from PIL import Image

        material.baseColorTexture = Image.open(buffer)
    data = trimesh.Scene({"object": mesh}).export(file_type="glb")
    path.write_bytes(data)
    return path


def mesh_of(views: ViewSet) -> trimesh.Trimesh:
    """The view set's mesh, made on first use."""
    if views.mesh is None and hasattr(views.scene, "mesh"):
        views.mesh = views.scene.mesh()
    if views.mesh is None:
        raise InvalidRequest(
            "This engine makes no mesh.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    return views.mesh
