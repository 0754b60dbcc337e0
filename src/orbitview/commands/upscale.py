"""``orbitview upscale``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer
from PIL import Image

from ..errors import InvalidRequest
from .console import as_row, complain, progress_bar, say, told
from .folder import check_folder
from .pictures import name_of, read_picture, result_folders

STDOUT = Path("-")


def upscale_pictures(paths: list[Path], out: Path, *, scale: int, model: str, force: bool, as_json: bool) -> None:
    """Each picture larger, as ``OUT/NAME-x2.png``; a failing one does not stop the rest (exit code 1).

    Raises:
        InvalidRequest, EngineUnavailable: what cannot work for any of them.
    """
    from ..images.upscale import check_upscale, upscale

    check_upscale(scale, model)
    if out == STDOUT:
        if len(paths) > 1 or as_json or sys.stdout.isatty():
            raise InvalidRequest("Only one picture goes to stdout, and into a pipe.", hint="Name a folder with --out.")
        files = [STDOUT]
    else:
        check_folder(out)
        places = [out / name_of(paths[0])] if len(paths) == 1 else result_folders(paths, out)
        files = [place.with_name(f"{place.name}-x{scale}.png") for place in places]
    results: list[dict[str, Any]] = []
    with progress_bar(as_json) as track:
        for number, (path, file) in enumerate(zip(paths, files, strict=True)):
            try:
                if file.exists() and not force:
                    raise InvalidRequest(f"{file} is there already.", hint="Write over it with --force.", field="out")
                with track(name_of(path), number, len(paths)) as show:
                    large = upscale(read_picture(path), scale, model=model, progress=show)
                _save(large, file)
            except Exception as failure:
                error = told(failure)
                results.append({"image": str(path), "error": as_row(error)})
                if not as_json:
                    complain(error, str(path))
                continue
            results.append({"image": str(path), "file": str(file), "width": large.width, "height": large.height})
            if not as_json:
                say(f"{path}: {large.width} × {large.height}, {file}", "green", "✓")
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
