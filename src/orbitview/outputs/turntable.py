"""The object turning: animated WebP, GIF or MP4, or all frames in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InvalidRequest
from .grid import over


def write_turntable(frames: Sequence[Image.Image], path: Path, background: str = "white", fps: int = 18) -> Path:
    """Write frames as a loop; the file's ending (``.webp``, ``.gif``, ``.mp4``) says how.

    MP4 (H.264) has no transparency: a transparent background becomes white there.

    Raises:
        InvalidRequest: another ending, or no frames.
    """
    if not frames:
        raise InvalidRequest("There are no frames for a turntable.", field="cameras")
    kind = path.suffix.lower()
    if kind == ".mp4":
        _mp4([over(over(f, background), "white") for f in frames], path, fps)
    elif kind in (".webp", ".gif"):
        pictures = [over(f, background) for f in frames]
        duration = round(1000 / fps)
        if kind == ".webp":
            pictures[0].save(
                path, save_all=True, append_images=pictures[1:], duration=duration, loop=0, quality=82, method=2
            )
        else:
            _gif(pictures, path, duration)
    else:
        raise InvalidRequest(
            f"A turntable cannot be written as {path.suffix!r}.", hint="Use .webp, .gif or .mp4.", field="formats"
        )
    return path


def turntable_sheet(frames: Sequence[Image.Image], size: int = 384) -> Image.Image:
    """Frames in one RGBA picture, row by row in a square of cells of at most ``size`` pixels, for pages that
    turn the object under the pointer."""
    side = min(size, frames[0].width)
    columns = math.ceil(math.sqrt(len(frames)))
    sheet = Image.new("RGBA", (columns * side, math.ceil(len(frames) / columns) * side))
    for i, frame in enumerate(frames):
        cell = frame.resize((side, side), Image.Resampling.LANCZOS) if frame.width != side else frame
        sheet.paste(cell, (i % columns * side, i // columns * side))
    return sheet


def _gif(pictures: list[Image.Image], path: Path, duration: int) -> None:
    """One palette for all frames, so that colours do not flicker."""
    clear = pictures[0].mode == "RGBA"
    flat = [p.convert("RGB") for p in pictures]
    step = max(1, len(flat) // 8)
    strip = np.concatenate([np.asarray(p) for p in flat[::step]], 1)
    palette = Image.fromarray(strip).quantize(255, Image.Quantize.MEDIANCUT)
    frames = []
    for picture, colour in zip(pictures, flat, strict=True):
        frame = colour.quantize(palette=palette, dither=Image.Dither.NONE)
        if clear:
            index = np.asarray(frame).copy()
            index[np.asarray(picture)[..., 3] < 128] = 255
            frame = Image.fromarray(index, "P")
            frame.putpalette(palette.getpalette() or [])
        frames.append(frame)
    extra: dict[str, Any] = {"transparency": 255, "disposal": 2} if clear else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, loop=0, optimize=False, **extra)


def _mp4(pictures: list[Image.Image], path: Path, fps: int) -> None:
    import av

    width, height = (side // 2 * 2 for side in pictures[0].size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options={"crf": "20", "preset": "veryfast", "movflags": "+faststart"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_image(picture.convert("RGB").crop((0, 0, width, height)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
