"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from ..formats import FORMATS

Formats = Annotated[
    list[str] | None,
    typer.Option("--format", "-f", help=f"More files: {', '.join(FORMATS)}. With commas, or given again."),
]
Turntable = Annotated[
    bool, typer.Option("--turntable", help="Also an animated WebP, an MP4 and a GIF of the object turning.")
]
Glb = Annotated[bool, typer.Option("--glb", help="Also the textured mesh.")]
Zip = Annotated[bool, typer.Option("--zip", help="Also everything in one zip.")]
Background = Annotated[str, typer.Option(help="Of grid, turntables and frames: white, grey, transparent, any colour.")]
TurntableSize = Annotated[int, typer.Option(help="Side of turntables and frames in pixels.")]
Frames = Annotated[int, typer.Option(help="Of one turn.")]
Seconds = Annotated[float, typer.Option(help="That an animation's turn takes.")]
TurnElevation = Annotated[
    list[float] | None,
    typer.Option(help="Of the turning camera in degrees, 15 by default; given again: another row of frames."),
]
Start = Annotated[float, typer.Option(help="Azimuth of the first frame in degrees.")]
TurnDirection = Annotated[str, typer.Option(help="The object turns clockwise or counterclockwise, seen from above.")]
TurnEasing = Annotated[str, typer.Option(help="Of animations: linear or smooth.")]
FrameEnding = Annotated[str, typer.Option(help="Of frames: jpg, webp or png.")]
FrameName = Annotated[
    str, typer.Option(help="Of frames, by default {name}-{index}; {index:02d} pads with zeros, {row} tells rows apart.")
]
Height = Annotated[str | None, typer.Option(help="The object's real height, such as 12cm: meshes come in real units.")]
Width = Annotated[str | None, typer.Option(help="Its real width instead.")]
Length = Annotated[str | None, typer.Option(help="Its real length (front to back) instead.")]
Faces = Annotated[int | None, typer.Option(help="Most triangles of a mesh.")]
Texture = Annotated[int | None, typer.Option(help="Side of a mesh's texture in pixels.")]
Force = Annotated[bool, typer.Option("--force", help="Write over files that orbitview did not make.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")]
