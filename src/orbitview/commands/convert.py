"""``orbitview convert``: further files of finished results."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import typer

from ..errors import InvalidRequest, OrbitviewError
from ..formats import GEOMETRY, Format
from ..kept import SCENE, read_scene
from ..outputs import OutputOptions, write_format, zip_folder
from ..progress import part
from .console import as_row, complain, count_files, progress_bar, say
from .folder import NOTE, add_files, check_folder, read_note
from .generate import plain_name


def convert(folders: list[Path], formats: list[Format], options: dict[str, Any], *, force: bool, as_json: bool) -> None:
    """Make ``formats`` in each folder from the scene kept there; exit code 1 if one fails.

    Raises:
        InvalidRequest: nothing is asked for, or an option is wrong.
    """
    if not formats:
        raise InvalidRequest("Nothing is asked for.", hint="For instance: orbitview convert DIR --format obj,stl.")
    OutputOptions(**options)
    results: list[dict[str, Any]] = []
    with progress_bar(as_json) as track:
        for number, folder in enumerate(folders):
            try:
                with track(str(folder), number, len(folders)) as show:
                    made = _one(folder, formats, options, force, show)
            except OrbitviewError as error:
                results.append({"folder": str(folder), "error": as_row(error)})
                if not as_json:
                    complain(error, str(folder))
                continue
            results.append({"folder": str(folder), "files": {name: str(folder / name) for name in made}})
            if not as_json:
                say(f"{folder}: {', '.join(formats)}, {count_files(made)}", "green", "✓")
    if as_json:
        print(json.dumps(results, indent=1))
    if any("error" in result for result in results):
        raise typer.Exit(1)


def _one(folder: Path, formats: list[Format], options: dict[str, Any], force: bool, show: Any) -> list[str]:
    if not folder.is_dir():
        raise InvalidRequest(f"There is no folder {folder}.", field="folder")
    check_folder(folder)
    drawn = any(name not in (*GEOMETRY, "zip") for name in formats)
    views = read_scene(folder, part(show, 0.0, 0.4) if drawn else None)
    side = (640, 960) if len(views) == 6 else (960, 960)
    note = read_note(folder)
    name = plain_name(Path(str(note.get("image", "object"))).stem)
    chosen = OutputOptions(width=side[0], height=side[1], **options | {"object_name": name})
    made: list[str] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".orbitview-") as place:
        work = Path(place)
        wanted = [kind for kind in formats if kind != "zip"]
        for i, kind in enumerate(wanted):
            share = part(show, 0.4 + 0.6 * i / len(wanted), 0.4 + 0.6 * (i + 1) / len(wanted))
            made += write_format(views, kind, work, options=chosen, progress=share)
        add_files(folder, work, made, force)
        listed = set(read_note(folder).get("files", []))
        if "zip" in formats or "views.zip" in listed:  # one that is there already shall not be stale
            files = listed - {SCENE, NOTE, "views.zip"}
            zip_folder(folder, work / "views.zip", [file for file in files if (folder / file).is_file()])
            add_files(folder, work, ["views.zip"], force)
            made.append("views.zip")
    return made
