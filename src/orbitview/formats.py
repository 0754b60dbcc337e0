"""The one place that says what can be asked for: command line, REST, hosted contract, page and agents read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Format = Literal[
    "grid",
    "views",
    "cutout",
    "frames",
    "spin",
    "turntable",
    "turntable-mp4",
    "turntable-gif",
    "turntable-sheet",
    "glb",
    "obj",
    "usdz",
    "ply",
    "stl",
    "3mf",
    "colmap",
    "zip",
]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Names of everything that can be asked for."""

Kind = Literal["pictures", "turn", "mesh", "data", "archive"]


@dataclass(frozen=True)
class FormatInfo:
    """What one name stands for.

    Attributes:
        kind: ``pictures`` needs views only; ``turn`` renders further cameras and ``mesh`` needs a mesh (both: an
            engine with geometry); ``data`` are files for training; ``archive`` holds what else was asked for.
        file: the file made, or the folder (``frames/``); empty where there are several.
        summary: for people.
    """

    kind: Kind
    file: str
    summary: str


ABOUT: dict[Format, FormatInfo] = {
    "grid": FormatInfo("pictures", "grid.png", "all views in one picture"),
    "views": FormatInfo("pictures", "", "every view with mask, depth, normals and camera files"),
    "cutout": FormatInfo("pictures", "cutout.png", "what was taken for the object, cut out of your picture"),
    "frames": FormatInfo("turn", "frames/", "numbered frames of the object turning, for spin viewers"),
    "spin": FormatInfo("turn", "spin.html", "one page that turns the object by dragging"),
    "turntable": FormatInfo("turn", "turntable.webp", "animated WebP"),
    "turntable-mp4": FormatInfo("turn", "turntable.mp4", "MP4"),
    "turntable-gif": FormatInfo("turn", "turntable.gif", "GIF"),
    "turntable-sheet": FormatInfo("turn", "turntable-sheet.webp", "all frames in one picture, for pages"),
    "glb": FormatInfo("mesh", "object.glb", "textured mesh (binary glTF)"),
    "obj": FormatInfo("mesh", "object.obj", "textured mesh (Wavefront OBJ, MTL and PNG)"),
    "usdz": FormatInfo("mesh", "object.usdz", "textured mesh for AR Quick Look"),
    "ply": FormatInfo("mesh", "object.ply", "mesh with a colour at each vertex"),
    "stl": FormatInfo("mesh", "object.stl", "solid for 3D print, in millimetres"),
    "3mf": FormatInfo("mesh", "object.3mf", "solid for 3D print, in millimetres, with its unit"),
    "colmap": FormatInfo("data", "colmap/", "cameras, points and pictures as COLMAP's text model"),
    "zip": FormatInfo("archive", "views.zip", "everything else in one zip"),
}
TURNS: tuple[Format, ...] = tuple(name for name in FORMATS if ABOUT[name].kind == "turn")
MESHES: tuple[Format, ...] = tuple(name for name in FORMATS if ABOUT[name].kind == "mesh")
GEOMETRY = (*TURNS, *MESHES)
"""Formats that need an engine with geometry, and that take time to make."""
