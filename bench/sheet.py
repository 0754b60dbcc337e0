"""Contact sheet of a folder of pictures: ``python -m bench.sheet PICTURES OUT.png [--engine lift]``.

Each row: the cut-out input, the view from the input's own side, and the six views of a rig.
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--rig", default=orbitview.cameras.DEFAULT_RIG)
    parser.add_argument("--only", nargs="*", help="stems of the pictures to take")
    options = parser.parse_args()
    paths = sorted(
        p
        for p in options.pictures.iterdir()
        if p.suffix.lower() in ENDINGS and (not options.only or p.stem in options.only)
    )
    rows = [row(path, options.engine, options.size, options.rig) for path in paths]
    columns = 2 if len(rows) > 24 else 1
    height = -(-len(rows) // columns)
    sheet = Image.new("RGB", (rows[0].width * columns, height * options.size), "white")
    for i, strip in enumerate(rows):
        sheet.paste(strip, ((i // height) * strip.width, (i % height) * options.size))
    sheet.save(options.out)


if __name__ == "__main__":
    main()
