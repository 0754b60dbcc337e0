"""The object turning: animated WebP, GIF or MP4, numbered frames, a page, or all frames in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image

from ..cameras import Camera, rig
from ..errors import InvalidRequest
from ..grid import over
from ..progress import Progress, no_progress
from ..view import Views
from .options import OutputOptions

TURNTABLE_RIG = "orbit-36@15"
_LAST: WeakKeyDictionary[Any, tuple[Any, list[Image.Image]]] = WeakKeyDictionary()
"""A scene's last turn: WebP, MP4 and GIF of one object are mostly asked for together."""


def turn_cameras(options: OutputOptions, row: int = 0, easing: bool = False) -> list[Camera]:
    """One row's cameras: once around, from ``start``, evenly or eased."""
    sign = 1 if options.direction == "clockwise" else -1  # the camera goes the other way round
    cameras = []
    for i in range(options.frames):
        share = i / options.frames
        if easing and options.easing == "smooth":
            share -= math.sin(2 * math.pi * share) / (2 * math.pi) * 0.9
        cameras.append(Camera((options.start + sign * 360 * share) % 360, options.elevations[row]))
    return cameras


def turntable_frames(
    views: Views, size: int, cameras: str | Sequence[Camera] = TURNTABLE_RIG, progress: Progress = no_progress
) -> list[Image.Image]:
    """RGBA frames of the object turning, rendered by the view set's scene.

    Raises:
        InvalidRequest: the engine cannot render further cameras.
    """
    if views.scene is None:
        raise InvalidRequest(
            "This engine cannot turn the object.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    listed = rig(cameras) if isinstance(cameras, str) else list(cameras)
    asked = (size, tuple(listed))
    known = _LAST.get(views.scene)
    if known is not None and known[0] == asked:
        return known[1]
    frames = []
    for i, camera in enumerate(listed):
        progress(i / len(listed), "turntable")
        frames.append(views.scene.render(camera, size).image)
    _LAST[views.scene] = (asked, frames)
    return frames


def write_frames(views: Views, folder: Path, options: OutputOptions, progress: Progress = no_progress) -> list[Path]:
    """Write the numbered frames of every row; returns their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for row in range(len(options.elevations)):
        for index, frame in enumerate(
            turntable_frames(views, options.turntable_size, turn_cameras(options, row), progress)
        ):
            path = folder / options.frame(index + 1, row + 1)
            picture = over(frame, options.background)
            if options.frame_type == "jpg":
                over(picture, "white").save(path, quality=90, optimize=True)
            elif options.frame_type == "webp":
                picture.save(path, quality=88, method=4)
            else:
                picture.save(path)
            paths.append(path)
    return paths


def write_turntable(
    frames: Sequence[Image.Image], path: Path, background: str = "white", fps: float | Fraction = 18
) -> Path:
    """Write frames as a loop; the file's ending (``.webp``, ``.gif``, ``.mp4``) says how.

    MP4 (H.264, BT.709, starts before it is loaded whole) has no transparency: a transparent background becomes white
    there. Its sides are even; a last odd row or column is left out.

    Raises:
        InvalidRequest: another ending, or no frames.
    """
    if not frames:
        raise InvalidRequest("There are no frames for a turntable.", field="cameras")
    kind = path.suffix.lower()
    if kind == ".mp4":
        _mp4([over(over(f, background), "white") for f in frames], path, Fraction(fps).limit_denominator(1000))
    elif kind in (".webp", ".gif"):
        pictures = [over(f, background) for f in frames]
        if kind == ".webp":
            pictures[0].save(
                path,
                save_all=True,
                append_images=pictures[1:],
                duration=_durations(len(frames), fps, 1),
                loop=0,
                quality=82,
                method=2,
            )
        else:
            _gif(pictures, path, _durations(len(frames), fps, 10))
    else:
        raise InvalidRequest(
            f"A turntable cannot be written as {path.suffix!r}.", hint="Use .webp, .gif or .mp4.", field="formats"
        )
    return path


def write_turn(views: Views, path: Path, options: OutputOptions, progress: Progress = no_progress) -> Path:
    """Draw one turn and write it as a loop; the file's ending says how, see :func:`write_turntable`."""
    frames = turntable_frames(views, options.turntable_size, turn_cameras(options, easing=True), progress)
    return write_turntable(frames, path, options.background, options.frames / Fraction(options.seconds))


def _durations(count: int, fps: float | Fraction, step: int) -> list[int]:
    """Milliseconds of each frame in whole steps (GIF counts hundredths of a second), exact in their sum."""
    ends = [round(float(1000 * i / fps) / step) * step for i in range(count + 1)]
    return [max(step, after - before) for before, after in pairwise(ends)]


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


def _gif(pictures: list[Image.Image], path: Path, duration: list[int]) -> None:
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


def _mp4(pictures: list[Image.Image], path: Path, fps: Fraction) -> None:
    import av
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

    width, height = (side // 2 * 2 for side in pictures[0].size)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = int(Colorspace.ITU709), int(ColorRange.MPEG)
        context.color_primaries, context.color_trc = int(ColorPrimaries.BT709), int(ColorTrc.BT709)
        convert = VideoReformatter()
        for picture in pictures:
            frame = av.VideoFrame.from_image(picture.convert("RGB").crop((0, 0, width, height)))
            # Tags alone do not convert: by itself the library makes BT.601 of every size.
            frame = convert.reformat(
                frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
