"""A folder of results: filled whole or not at all, and emptied of the results before."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest

NOTE = "orbitview.json"
"""What was made here, from what and how: the list by which a later run knows its own files from the user's."""


def check_folder(folder: Path) -> None:
    """Make sure that results can be written, before any work is done.

    Raises:
        InvalidRequest: it is a file, lies in one, or may not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".orbitview-"):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidRequest(
            f"Results cannot go to {folder}: that is a file, or lies in one.",
            hint="Name a folder with --out.",
            field="out",
        ) from error
    except OSError as error:
        raise InvalidRequest(
            f"Results cannot go to {folder}: {error.strerror or error}.",
            hint="Name another folder with --out.",
            field="out",
        ) from error


def digest(content: bytes, options: dict[str, Any]) -> str:
    """What tells one run from another: the picture's bytes and everything asked of it."""
    asked = json.dumps(options, sort_keys=True, default=str).encode()
    return hashlib.sha256(hashlib.sha256(content).digest() + asked).hexdigest()


def read_note(folder: Path) -> dict[str, Any]:
    """What an earlier run left word of; empty if there was none."""
    try:
        note = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) and isinstance(note.get("files"), list) else {}


def is_done(folder: Path, run: str) -> bool:
    """Whether the same run's results are all here."""
    note = read_note(folder)
    return note.get("run") == run and all((folder / name).is_file() for name in _own(folder, note["files"]))


@contextmanager
def fresh_folder(folder: Path, force: bool = False) -> Iterator[Path]:
    """A hidden folder to work in, whose files take the place of the earlier results in ``folder`` at the end.

    If the work fails, the earlier results stay as they were. Files that no run of ours made are never touched, unless
    ``force`` allows to write over one.

    Raises:
        InvalidRequest: a file of somebody else's is in the way.
    """
    check_folder(folder)
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".orbitview-"))
    try:
        yield work
        made = {path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file()}
        earlier = set(_own(folder, read_note(folder).get("files", [])))
        _refuse_strangers(folder, made - earlier, force)
        for name in earlier | {NOTE}:
            (folder / name).unlink(missing_ok=True)
        for parent in sorted({p for name in earlier for p in Path(name).parents if p != Path()}, reverse=True):
            if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                (folder / parent).rmdir()
        # The note comes last: whoever finds it finds everything that it names.
        for name in [*sorted(made - {NOTE}), *sorted(made & {NOTE})]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(work / name, folder / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):
            folder.rmdir()  # if nothing came of it


def add_files(folder: Path, work: Path, names: Iterable[str], force: bool = False) -> None:
    """Move further files from ``work`` into a folder of results, in place of earlier ones of that name.

    Raises:
        InvalidRequest: a file of somebody else's is in the way.
    """
    added = set(names)
    note = read_note(folder) or {"files": []}
    earlier = set(_own(folder, note["files"]))
    _refuse_strangers(folder, added - earlier, force)
    tops = {name.split("/")[0] for name in added if "/" in name}  # frames of an earlier, longer turn go
    stale = {name for name in earlier - added if name.split("/")[0] in tops}
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    for name in sorted(added):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / name, folder / name)
    note["files"] = sorted((earlier - stale) | added | {NOTE})
    (folder / NOTE).write_text(json.dumps(note, indent=1))


def _refuse_strangers(folder: Path, names: Iterable[str], force: bool) -> None:
    strangers = sorted(name for name in names if name != NOTE and (folder / name).exists())
    if strangers and not force:
        raise InvalidRequest(
            f"{folder / strangers[0]} is there already and was not made by an earlier run.",
            hint="Choose another folder, or allow to write over it with --force.",
            field="out",
        )


def write_note(work: Path, run: str, image: str, options: dict[str, Any], files: Iterable[str]) -> None:
    """Leave word of what was made."""
    note = {"image": image, "run": run, "options": options, "files": sorted({*files, NOTE})}
    (work / NOTE).write_text(json.dumps(note, indent=1, default=str))


def _own(folder: Path, names: Iterable[Any]) -> list[str]:
    """Names that lie in the folder: a note is a file like any other and may have been edited."""
    root = folder.resolve()
    return [name for name in names if isinstance(name, str) and name and root in (folder / name).resolve().parents]
