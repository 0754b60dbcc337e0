"""One picture out of each picture in: ``orbitview upscale`` and ``orbitview cutout``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from PIL import Image

from ..errors import InvalidRequest
from ..progress import Progress
from .console import as_row, complain, progress_bar, say, told
from .folder import check_folder
from .pictures import name_of, read_picture, result_folders

STDOUT = Path("-")


def make_each(
    paths: list[Path],
    out: Path,
    ending: str,
    make: Callable[[bytes, Progress], Image.Image],
    *,
    force: bool,
    as_json: bool,
) -> None:
    """What ``make`` makes of each picture, as ``OUT/NAME-ENDING.png``; a failing one stops none (exit code 1).

    Raises:
        InvalidRequest: what cannot work for any of them.
    """
    if out == STDOUT:
        if len(paths) > 1 or as_json or sys.stdout.isatty():
            raise InvalidRequest("Only one picture goes to stdout, and into a pipe.", hint="Name a folder with --out.")
        files = [STDOUT]
    else:
        check_folder(out)
        places = [out / name_of(paths[0])] if len(paths) == 1 else result_folders(paths, out)
        files = [place.with_name(f"{place.name}-{ending}.png") for place in places]
    results: list[dict[str, Any]] = []
    with progress_bar(as_json) as track:
        for number, (path, file) in enumerate(zip(paths, files, strict=True)):
            try:
                if file.exists() and not force:
                    raise InvalidRequest(f"{file} is there already.", hint="Write over it with --force.", field="out")
                with track(name_of(path), number, len(paths)) as show:
                    made = make(read_picture(path), show)
                _save(made, file)
            except Exception as failure:
                error = told(failure)
                results.append({"image": str(path), "error": as_row(error)})
                if not as_json:
                    complain(error, str(path))
                continue
            results.append({"image": str(path), "file": str(file), "width": made.width, "height": made.height})
            if not as_json:
                say(f"{path}: {made.width} × {made.height}, {file}", "green", "✓")
    if as_json:
        print(json.dumps(results, indent=1))
    failed = sum("error" in result for result in results)
    if len(paths) > 1 and not as_json:
        say(f"{len(paths)} pictures: {len(paths) - failed} done{f', {failed} failed' if failed else ''}")
    if failed:
        raise typer.Exit(1)


def _save(picture: Image.Image, file: Path) -> None:
    if file == STDOUT:
        picture.save(sys.stdout.buffer, "PNG")
        sys.stdout.buffer.flush()
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
