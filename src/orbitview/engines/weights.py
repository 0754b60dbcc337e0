"""Weights that are not in the package: where they lie, how they get there, whether they are whole.

An engine's weights are a folder ``ORBITVIEW_WEIGHTS_DIR/NAME``. ``orbitview engines pull NAME`` fills a folder beside
it from the model hub at one commit, checks every file, writes down its SHA-256, and only then gives it that name; a
folder copied by hand works as well.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..config import Settings
from ..errors import EngineUnavailable, InvalidRequest
from ..install import how_to_install
from . import hub
from .base import Readiness
from .hub import digest

MANIFEST = "orbitview.json"
GIGABYTE = 1e9
_TENSORS = (".safetensors", ".bin", ".ckpt")


@dataclass(frozen=True)
class Source:
    """Files of one repository on the model hub, in a folder of an engine's weights.

    Attributes:
        repository: on the model hub.
        folder: within the engine's; empty for that one itself.
        files, extras, revision: as of :class:`Weights`, named as the repository has them.
    """

    repository: str
    folder: str
    files: tuple[str | tuple[str, ...], ...]
    extras: tuple[str, ...] = ()
    revision: str | None = None

    def here(self, name: str) -> str:
        """The path within the engine's folder."""
        return f"{self.folder}/{name}" if self.folder else name

    def wanted(self, published: Container[str], hint: str) -> list[str]:
        """Which of the ``published`` files to fetch: of twins only one.

        Raises:
            EngineUnavailable: one that loading needs is not among them.
        """
        chosen = [name for name in self.extras if name in published]
        for names in map(_names, self.files):
            found = next((name for name in names if name in published), None)
            if found is None:
                raise EngineUnavailable(f"{self.repository} has no {names[0]} at that revision.", hint=hint)
            chosen.append(found)
        return list(dict.fromkeys(chosen))


@dataclass(frozen=True)
class Weights:
    """Published weights.

    Attributes:
        name: of the engine and of the folder.
        repository: on the model hub.
        licence: of the weights, in words that a user must accept.
        files: those that loading needs; of alternatives (a tuple) the first that is there.
        extras: those that loading heeds where they were published.
        revision: the commit that this engine was written for; None where it is not known, then the newest is taken.
        more: further repositories, each in a folder of its own.
    """

    name: str
    repository: str
    licence: str
    files: tuple[str | tuple[str, ...], ...]
    extras: tuple[str, ...] = ()
    revision: str | None = None
    more: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """All repositories, the engine's own first."""
        return (Source(self.repository, "", self.files, self.extras, self.revision), *self.more)

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Alternatives for each file that loading needs, within the folder."""
        return tuple(tuple(map(s.here, names)) for s in self.sources for names in map(_names, s.files))

    @property
    def heeded(self) -> tuple[str, ...]:
        """Files within the folder that loading heeds where they are there."""
        return tuple(source.here(name) for source in self.sources for name in source.extras)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Settings().weights_dir.expanduser() / self.name

    @property
    def command(self) -> str:
        """What fetches them, or mends them."""
        return f"orbitview engines pull {self.name} --accept-license"

    def bytes(self) -> float:
        """Size of the files with tensors."""
        found = [self._there(names) for names in self.needed]
        return float(sum(path.stat().st_size for path in found if path is not None and path.suffix in _TENSORS))

    def _there(self, names: tuple[str, ...]) -> Path | None:
        return next((self.folder / name for name in names if (self.folder / name).is_file()), None)

    def missing(self) -> list[str]:
        """Files that are not there; of alternatives, the one that is published today."""
        return [names[0] for names in self.needed if self._there(names) is None]

    def readiness(self, packages: Iterable[str]) -> Readiness:
        """Whether the packages and the files are there."""
        absent = [name for name in packages if importlib.util.find_spec(name) is None]
        if absent:
            reason = f"the Python packages {', '.join(absent)} are missing"
            return Readiness(False, reason, f"Run: {how_to_install('diffusion')}.")
        missing = self.missing()
        if not missing:
            return Readiness(True)
        some = "its weights are not on this machine" if not self.folder.exists() else f"its {missing[0]} is missing"
        return Readiness(False, some, f"Run: {self.command}.")

    def require(self) -> Path:
        """The filled folder.

        Raises:
            EngineUnavailable: files are missing.
        """
        missing = self.missing()
        if missing:
            raise EngineUnavailable(
                f"The weights of {self.name} are not on this machine ({missing[0]} is missing in {self.folder}).",
                hint=f"Run: {self.command}.",
                field="engine",
            )
        return self.folder


def _names(file: str | tuple[str, ...]) -> tuple[str, ...]:
    return (file,) if isinstance(file, str) else file


def pull(weights: Weights, *, accept: bool, revision: str | None = None) -> Path:
    """Fetch weights from the model hub (its own progress bars), check them and write the manifest.

    What lies in the folder already stays in use until everything new is there and checked; what was fetched before a
    failure is kept for the next try.

    Args:
        accept: the user accepts the licence.
        revision: commit, tag or branch of the engine's own repository; without it the engine's, else the manifest's,
            else the newest.

    Raises:
        InvalidRequest: the licence was not accepted.
        EngineUnavailable: no hub client, no network, no room, or a file is not what the hub says it is.
    """
    if not accept:
        raise InvalidRequest(
            f"The weights of {weights.name} come under: {weights.licence}.",
            hint="Read it, and if you agree add --accept-license.",
            field="accept_license",
        )
    folder = weights.folder.resolve()  # a link to another disk stays one
    staging, before = (folder.with_name(f".{folder.name}.{what}") for what in ("pulling", "before"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
            if before.exists() and not folder.exists():
                before.rename(folder)  # the last pull was stopped between its two renames
            _fill(weights, revision, folder, staging)
            shutil.rmtree(before, ignore_errors=True)
            if folder.exists():
                folder.rename(before)
            staging.rename(folder)
            shutil.rmtree(before, ignore_errors=True)
    except Timeout:
        raise EngineUnavailable(
            f"The weights of {weights.name} are being pulled by another process.", hint="Wait for it."
        ) from None
    except OSError as error:
        raise hub.in_words(error, weights.repository, folder) from error
    return weights.folder


def _fill(weights: Weights, revision: str | None, folder: Path, staging: Path) -> None:
    """Everything that loading needs, fetched, checked and written down in ``staging``."""
    noted = _noted_revisions(folder)
    parts: list[tuple[Source, hub.Listing, list[str]]] = []
    for source in weights.sources:
        stated = None if source.folder else revision
        listing = hub.look(
            source.repository, stated or source.revision or noted.get(source.repository), folder / source.folder
        )
        parts.append((source, listing, source.wanted(listing.files, f"Leave --revision out: {weights.command}.")))
    staging.mkdir(exist_ok=True)
    for source, listing, names in parts:
        for name in names:
            _reuse(folder / source.here(name), staging / source.here(name), listing.files[name])
    lacking = [(s, f) for s, each, names in parts for f in names if not (staging / s.here(f)).exists()]
    sizes = {source: listing.files for source, listing, _ in parts}
    _check_room(sum(sizes[source][name].size for source, name in lacking), folder)
    sums = {}
    for source, listing, names in parts:
        hub.fetch(listing, names, staging / source.folder, folder / source.folder)
        for name in names:
            path = staging / source.here(name)
            if not path.is_file() or not hub.is_published(path, listing.files[name]):
                path.unlink(missing_ok=True)
                raise EngineUnavailable(
                    f"{source.here(name)} is not what the hub published; it was thrown away"
                    + (", and the weights that were here are still in use." if not weights.missing() else "."),
                    hint=f"Run again: {weights.command}.",
                )
            sums[source.here(name)] = digest(path)
    for path in sorted((p for p in staging.rglob("*") if p.is_file()), reverse=True):
        if path.relative_to(staging).as_posix() not in sums:
            path.unlink()  # of another revision, or the client's own notes
    for source in weights.sources:
        shutil.rmtree(staging / source.folder / ".cache", ignore_errors=True)
    about: dict[str, Any] = {
        "repository": weights.repository,
        "revision": parts[0][1].commit,
        "licence": weights.licence,
        "files": sums,
    }
    if weights.more:
        about["more"] = [{"repository": listing.repository, "revision": listing.commit} for _, listing, _ in parts[1:]]
    (staging / MANIFEST).write_text(json.dumps(about, indent=1))


def _noted_revisions(folder: Path) -> dict[str, str]:
    """Commits by repository that the last pull wrote down."""
    noted = _manifest(folder)
    more = noted.get("more")
    listed = [noted, *(more if isinstance(more, list) else [])]
    return {
        part["repository"]: part["revision"]
        for part in listed
        if isinstance(part, dict) and isinstance(part.get("repository"), str) and isinstance(part.get("revision"), str)
    }


def _reuse(here: Path, there: Path, file: hub.HubFile) -> None:
    """A large file that is as the hub has it need not come again; the client sees so by its SHA-256."""
    if file.sha256 and not there.exists() and here.is_file() and here.stat().st_size == file.size:
        there.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # a file system without hard links: then it is fetched
            os.link(here, there)


def _check_room(needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise EngineUnavailable(
            f"There is no room in {folder.parent}: {needed / GIGABYTE:.1f} GB are needed, "
            f"{free / GIGABYTE:.1f} GB are free.",
            hint="Make room, or set ORBITVIEW_WEIGHTS_DIR to a folder on another disk.",
        )


def _manifest(folder: Path) -> dict[str, Any]:
    """What a pull wrote down; empty where nothing was pulled or it cannot be read."""
    try:
        noted = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def changed(weights: Weights) -> list[str]:
    """Files whose SHA-256 is not the manifest's; empty where all is well.

    Raises:
        EngineUnavailable: there is no manifest, so there is nothing to compare with.
    """
    sums = _manifest(weights.folder).get("files")
    if not isinstance(sums, dict):
        raise EngineUnavailable(
            f"There is nothing to compare the weights of {weights.name} with: "
            f"{weights.folder} was not filled by a pull (it has no {MANIFEST}).",
            hint=f"Run: {weights.command}.",
        )
    folder = weights.folder
    return [n for n, s in sums.items() if not (folder / n).is_file() or digest(folder / n) != s]
