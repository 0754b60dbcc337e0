"""USDZ for AR Quick Look: one textured mesh, written as text.

The package is a zip without compression whose entries start at multiples of 64 bytes, the USD layer first
(USDZ file format specification, Pixar).
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import trimesh

ALIGN = 64

_LAYER = """#usda 1.0
(
    defaultPrim = "object"
    metersPerUnit = 1
    upAxis = "Y"
)

def Xform "object" (
    assetInfo = {{ string name = "object" }}
    kind = "component"
)
{{
    def Mesh "mesh" (
        prepend apiSchemas = ["MaterialBindingAPI"]
    )
    {{
        uniform token subdivisionScheme = "none"
        float3[] extent = [{extent}]
        int[] faceVertexCounts = [{counts}]
        int[] faceVertexIndices = [{indices}]
        point3f[] points = [{points}]
        normal3f[] normals = [{normals}] (
            interpolation = "vertex"
        )
        texCoord2f[] primvars:st = [{uv}] (
            interpolation = "vertex"
        )
        rel material:binding = </object/material>
    }}

    def Material "material"
    {{
        token outputs:surface.connect = </object/material/surface.outputs:surface>

        def Shader "surface"
        {{
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor.connect = </object/material/texture.outputs:rgb>
            float inputs:metallic = 0
            float inputs:roughness = 0.9
            token outputs:surface
        }}

        def Shader "texture"
        {{
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @texture.jpg@
            token inputs:sourceColorSpace = "sRGB"
            float2 inputs:st.connect = </object/material/coordinates.outputs:result>
            token inputs:wrapS = "clamp"
            token inputs:wrapT = "clamp"
            float3 outputs:rgb
        }}

        def Shader "coordinates"
        {{
            uniform token info:id = "UsdPrimvarReader_float2"
            string inputs:varname = "st"
            float2 outputs:result
        }}
    }}
}}
"""


def write_usdz(mesh: trimesh.Trimesh, path: Path) -> Path:
    """Write a textured mesh, y up, in metres."""

    def rows(values: np.ndarray, digits: int) -> str:
        return ", ".join("(" + ", ".join(f"{v:.{digits}g}" for v in row) + ")" for row in values)

    layer = _LAYER.format(
        extent=rows(np.asarray(mesh.bounds), 7),
        counts=", ".join(["3"] * len(mesh.faces)),
        indices=", ".join(map(str, np.asarray(mesh.faces).ravel())),
        points=rows(np.asarray(mesh.vertices), 7),
        normals=rows(np.asarray(mesh.vertex_normals), 4),
        uv=rows(np.asarray(mesh.visual.uv), 6),
    )
    picture = io.BytesIO()
    mesh.visual.material.baseColorTexture.convert("RGB").save(picture, "JPEG", quality=92)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (("object.usda", layer.encode()), ("texture.jpg", picture.getvalue())):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            start = (archive.fp.tell() if archive.fp else 0) + 30 + len(name)
            # An extra field of its own length (header of 4 bytes) moves the data to the next multiple.
            padding = -(start + 4) % ALIGN
            entry.extra = b"\x86\x19" + padding.to_bytes(2, "little") + bytes(padding)
            archive.writestr(entry, data, zipfile.ZIP_STORED)
    return path
