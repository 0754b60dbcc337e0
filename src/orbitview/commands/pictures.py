"""Which pictures are meant, and which folder each one's results go to."""

from __future__ import annotations

import glob
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..errors import InvalidImage, InvalidRequest

ENDINGS = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif"),
}
STDIN = Path("-")


def find_pictures(arguments: Sequence[str]) -> list[Path]:
    """Files named, in folders, or matched; each once, in the order given. ``-`` is stdin.

    Raises:
        InvalidRequest: a folder or pattern without pictures.
    """
    paths: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if argument == "-" or (path.exists() and not path.is_dir()) or not (path.exists() or glob.has_magic(argument)):
            found = [path]
        elif path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
        else:
            found = sorted(p for p in map(Path, glob.glob(argument, recursive=True)) if p.is_file())
        if not found:
            raise InvalidRequest(
                f"There are no pictures in {argument}.",
                hint="Name pictures, a folder of pictures, or a glob.",
                field="image",
            )
        paths += found
    unique: dict[str, Path] = {}
    for path in paths:
        unique.setdefault("-" if path == STDIN else str(path.resolve()), path)
    return list(unique.values())


def read_picture(path: Path) -> bytes:
    """A picture's bytes, of a file or of stdin.

    Raises:
        InvalidImage: it cannot be read, or is too large.
    """
    from ..images.limits import MAX_BYTES

    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidImage(f"Cannot read {path}: {error.strerror or error}.", field="image") from error
    if not content:
        raise InvalidImage("There is nothing on stdin." if path == STDIN else f"{path} is empty.", field="image")
    if len(content) > MAX_BYTES:
        raise InvalidImage(f"{path} is larger than {MAX_BYTES >> 20} MB.", field="image")
    return content


def other_picture(text: str) -> tuple[Path, float | None]:
    """A picture and its azimuth of ``PICTURE@AZIMUTH``; None without one.

    Raises:
        InvalidRequest: what follows the @ is no angle.
    """
    path, at, azimuth = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), None
    try:
        angle = float(azimuth)
        if not -360 <= angle <= 360:
            raise ValueError(azimuth)
    except ValueError as error:
        raise InvalidRequest(
            f"{azimuth!r} in {text} is no azimuth.",
            hint="Write degrees from the first picture's side, such as back.jpg@180 or right.jpg@90.",
            field="also",
        ) from error
    return Path(path), angle


def name_of(path: Path) -> str:
    """What a picture's results are called."""
    return "stdin" if path == STDIN else path.stem


def result_folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """One folder for each picture: ``out`` itself for a single one, else ``out/NAME``.

    Pictures that share a name (case ignored, as some disks do) are told apart by the folders they lie in, and those of
    one folder by their endings.
    """
    if len(paths) == 1:
        return [out]
    names: list[Path] = [Path(name_of(path)) for path in paths]
    for group in _clashes(names):
        places = [paths[i].resolve() for i in group]
        common = Path(os.path.commonpath([place.parent for place in places])) if len(places) > 1 else places[0].parent
        for i, place in zip(group, places, strict=True):
            names[i] = place.parent.relative_to(common) / place.stem
    for group in _clashes(names):
        for i in group:
            names[i] = names[i].with_name(paths[i].name.replace(".", "-"))
    for group in _clashes(names):  # nothing left to tell them apart by
        for number, i in enumerate(group[1:], 2):
            names[i] = names[i].with_name(f"{names[i].name}-{number}")
    return [out / name for name in names]


def _clashes(names: Sequence[Path]) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        groups[str(name).casefold()].append(i)
    return [group for group in groups.values() if len(group) > 1]
