"""Many views in one picture, and backgrounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageColor

from .errors import InvalidRequest

MAX_SIDE = 1024


def parse_background(text: str) -> tuple[int, int, int, int]:
    """RGBA of ``white``, ``grey``, ``transparent``, any CSS colour name, ``#rrggbb`` or ``#rrggbbaa``.

    Raises:
        InvalidRequest: it is none of these.
    """
    name = text.strip().lower()
    if name == "transparent":
        return 0, 0, 0, 0
    if name in ("grey", "gray"):
        return 127, 127, 127, 255
    try:
        colour = ImageColor.getcolor(name, "RGBA")
    except ValueError as error:
        raise InvalidRequest(
            f"{text[:40]!r} is not a colour.",
            hint="Use white, grey, transparent, a CSS name or #rrggbb.",
            field="background",
        ) from error
    return colour  # type: ignore[return-value]


def over(picture: Image.Image, background: str) -> Image.Image:
    """The picture on a background: RGB, or RGBA where the background lets light through."""
    colour = parse_background(background)
    base = Image.new("RGBA", picture.size, colour)
    base.alpha_composite(picture.convert("RGBA"))
    return base if colour[3] < 255 else base.convert("RGB")


def make_grid(
    pictures: Sequence[Image.Image],
    width: int = 640,
    height: int = 960,
    background: str = "white",
    columns: int | None = None,
) -> Image.Image:
    """Square pictures row by row on one canvas, as large as fits without distortion, in the middle.

    Args:
        columns: two for six pictures at 640×960 (the hosted service's grid); by default the number that
            makes the tiles largest.

    Raises:
        InvalidRequest: no pictures, or a size outside 16 to 1024.
    """
    if not pictures:
        raise InvalidRequest("There are no views to lay out.", field="cameras")
    for name, value in (("width", width), ("height", height)):
        if not 16 <= value <= MAX_SIDE:
            raise InvalidRequest(f"The {name} must be from 16 to {MAX_SIDE} pixels, not {value}.", field=name)
    count = len(pictures)

    def side(n: int) -> int:
        return min(width // n, height // math.ceil(count / n))

    columns = columns or max(range(1, count + 1), key=lambda n: (side(n), -n))
    tile = max(1, side(columns))
    rows = math.ceil(count / columns)
    canvas = Image.new("RGBA", (width, height), parse_background(background))
    left, top = (width - columns * tile) // 2, (height - rows * tile) // 2
    for i, picture in enumerate(pictures):
        small = picture.convert("RGBA")
        if small.size != (tile, tile):
            small = small.convert("RGBa").resize((tile, tile), Image.Resampling.LANCZOS).convert("RGBA")
        canvas.alpha_composite(small, (left + i % columns * tile, top + i // columns * tile))
    return canvas if parse_background(background)[3] < 255 else canvas.convert("RGB")
