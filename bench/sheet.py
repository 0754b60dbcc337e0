"""Contact sheet of a folder of pictures: ``python -m bench.sheet PICTURES OUT.png [--engine lift]``.

Each row: the cut-out input, the view from the input's own side, and the six views of a rig. With
``--before ../other-checkout/src`` what that version makes of each picture stands above.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

import orbitview
from orbitview.cameras import Camera, rig
from orbitview.images import cut_out, load_image
from orbitview.outputs import over

ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}


def row(path: Path, engine: str, size: int, rig_name: str) -> Image.Image:
    """One picture's row."""
    picture = cut_out(load_image(path))
    first = orbitview.generate(picture, [Camera()], engine=engine, size=size)
    elevation = first.meta["input_camera"]["elevation"]
    cameras = [Camera(0, elevation), *rig(rig_name)]
    views = (
        [first.scene.render(camera, size).image for camera in cameras]
        if first.scene
        else orbitview.generate(picture, cameras, engine=engine, size=size).grid()
    )
    side = max(picture.size)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    tiles = [square.resize((size, size), Image.Resampling.LANCZOS), *views]
    sheet = Image.new("RGB", (size * len(tiles), size), "white")
    for i, tile in enumerate(tiles):
        sheet.paste(over(tile, "white"), (i * size, 0))
    ImageDraw.Draw(sheet).text((2, 1), path.stem, fill="black")
    return sheet


def earlier(source: Path, pictures: Path, options: list[str], count: int) -> list[Image.Image]:
    """The rows that another version of the package makes with the same arguments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.png"
        command = [sys.executable, "-m", "bench.sheet", str(pictures), str(out), *options, "--columns", "1"]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(source.resolve())}, check=True)
        with Image.open(out) as sheet:
            height = sheet.height // count
            return [sheet.crop((0, i * height, sheet.width, (i + 1) * height)) for i in range(count)]


def stacked(strips: list[Image.Image]) -> Image.Image:
    """One below the other."""
    sheet = Image.new("RGB", (strips[0].width, sum(strip.height for strip in strips)), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rig", default=orbitview.cameras.DEFAULT_RIG)
    parser.add_argument("--only", nargs="*", help="stems of the pictures to take")
    parser.add_argument("--columns", type=int, help="of pictures; by default two where there are many")
    parser.add_argument("--before", type=Path, help="the src folder of another checkout")
    options = parser.parse_args()
    paths = sorted(
        p
        for p in options.pictures.iterdir()
        if p.suffix.lower() in ENDINGS and (not options.only or p.stem in options.only)
    )
    if not paths:
        raise SystemExit(f"There are no such pictures in {options.pictures}.")
    rows = [row(path, options.engine, options.size, options.rig) for path in paths]
    if options.before:
        same = ["--engine", options.engine, "--size", str(options.size)]
        same += ["--rig", options.rig, "--only", *(path.stem for path in paths)]
        before = earlier(options.before, options.pictures, same, len(rows))
        rows = [stacked([old, new]) for old, new in zip(before, rows, strict=True)]
    columns = options.columns or (2 if len(rows) > 24 else 1)
    height = -(-len(rows) // columns)
    parts = [stacked(rows[i : i + height]) for i in range(0, len(rows), height)]
    sheet = Image.new("RGB", (sum(part.width for part in parts), max(part.height for part in parts)), "white")
    for i, part in enumerate(parts):
        sheet.paste(part, (i * parts[0].width, 0))
    sheet.save(options.out)


if __name__ == "__main__":
    main()
