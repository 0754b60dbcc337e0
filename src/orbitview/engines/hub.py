"""The model hub, through its own client: what a repository holds, its files, and what went wrong in plain words."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EngineUnavailable
from ..install import how_to_install

AGAIN = "Run the same command again: it goes on where it stopped"


@dataclass(frozen=True)
class HubFile:
    """What the hub says of a file: SHA-256 of large ones, git's blob id (a SHA-1) of the others."""

    name: str
    size: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    repository: str
    commit: str
    files: dict[str, HubFile]


def look(repository: str, revision: str | None, folder: Path) -> Listing:
    """What a repository holds at a revision; without one, at its newest.

    Args:
        folder: where files will go; for the words of an error.

    Raises:
        EngineUnavailable: no client, no network, no such repository, or no right to read it.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise EngineUnavailable("The hub's client is not installed.", hint=f"Run: {how_to_install('diffusion')}.")
    from huggingface_hub import HfApi

    try:
        about = HfApi().model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # the client raises errors of several libraries
        raise in_words(error, repository, folder) from error
    files = {}
    for s in about.siblings or []:
        files[s.rfilename] = HubFile(
            s.rfilename, getattr(s, "size", None) or 0, s.lfs.sha256 if s.lfs else None, getattr(s, "blob_id", None)
        )
    return Listing(repository, str(about.sha), files)


def fetch(listing: Listing, names: Sequence[str], staging: Path, folder: Path) -> None:
    """Files of a listing into a folder; those that are there already and whole are not fetched again.

    Raises:
        EngineUnavailable: they did not come; the hint says what to do.
    """
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            listing.repository, revision=listing.commit, local_dir=staging, allow_patterns=[_literal(n) for n in names]
        )
    except Exception as error:
        raise in_words(error, listing.repository, folder) from error


def is_published(path: Path, file: HubFile) -> bool:
    """Whether a file is, byte for byte, what the hub published."""
    if file.sha256:
        return digest(path) == file.sha256
    if file.blob:
        data = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == file.blob
    return not file.size or path.stat().st_size == file.size


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _literal(name: str) -> str:
    """A pattern that fits this name alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


_UNWRITABLE = (errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST, errno.ENOTDIR)
_UNREACHED = {"ConnectError", "ConnectionError", "ConnectTimeout", "OfflineModeIsEnabled", "ProxyError"}
_BROKEN = {"TransportError", "ChunkedEncodingError", "IncompleteRead", "ProtocolError", "Timeout", "TimeoutError"}


def in_words(error: Exception, repository: str, folder: Path) -> EngineUnavailable:
    """What an error of the client, or of what it stands on, means to somebody who waits for weights.

    Its classes come from libraries that change between its versions, so they are known by name.
    """
    chain = list(_chain(error))
    copy = f"Without a network, copy {repository} into {folder}."
    for one in chain:
        if isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT):
            return EngineUnavailable(
                f"The disk of {folder.parent} is full.",
                hint=f"Make room, or set ORBITVIEW_WEIGHTS_DIR to a folder on another disk. {AGAIN}.",
            )
        if isinstance(one, OSError) and one.errno in _UNWRITABLE:
            return EngineUnavailable(
                f"{folder.parent} cannot be written to: {one.strerror}.",
                hint="Set ORBITVIEW_WEIGHTS_DIR to a folder of your own.",
            )
    names = {kind.__name__ for one in chain for kind in type(one).__mro__}
    statuses = [getattr(getattr(one, "response", None), "status_code", None) for one in chain]
    status = next((s for s in statuses if isinstance(s, int)), None)
    if "RevisionNotFoundError" in names:
        return EngineUnavailable(
            f"{repository} has no such revision.", hint="Name a commit, tag or branch of it, or leave --revision out."
        )
    if status in (401, 403):
        return EngineUnavailable(
            f"The hub does not let us read {repository} ({status}).",
            hint="It wants an account that may read it: run hf auth login, or set HF_TOKEN (and mend it if it is set).",
        )
    if status == 404 or "RepositoryNotFoundError" in names:
        return EngineUnavailable(f"The hub has no {repository} (404).", hint=f"It may have moved. {copy}")
    if status is not None:
        return EngineUnavailable(f"The hub answered {status}.", hint=f"{AGAIN}, in a few minutes.")
    if names & _UNREACHED:
        return EngineUnavailable("The model hub cannot be reached.", hint=f"Is there a network? {copy}")
    if names & _BROKEN or "Consistency check" in str(error):
        return EngineUnavailable("The connection to the hub broke off.", hint=f"{AGAIN}. {copy}")
    return EngineUnavailable(
        f"{repository} could not be fetched: {type(error).__name__}: {str(error)[:200]}", hint=f"{AGAIN}. {copy}"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
