"""A cut-out in the middle of a square, as reconstruction and diffusion models were trained to see it."""

from __future__ import annotations

from PIL import Image


def centred(picture: Image.Image, fill: float = 0.85) -> Image.Image:
    """The cut-out in the middle of a transparent square, at least 320 px, of which it fills ``fill``."""
    box = picture.getchannel("A").point(lambda a: 255 * (a > 12)).getbbox() or (0, 0, *picture.size)
    cut = picture.crop(box)
    side = max(320, round(max(cut.size) / fill))
    scale = side * fill / max(cut.size)
    if scale > 1:
        cut = cut.resize(
            (max(1, round(cut.width * scale)), max(1, round(cut.height * scale))), Image.Resampling.BICUBIC
        )
    square = Image.new("RGBA", (side, side))
    square.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return square
