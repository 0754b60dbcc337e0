"""Weights that are not in the package: where they lie, how they get there, whether they are whole.

An engine's weights are a folder ``ORBITVIEW_WEIGHTS_DIR/NAME``. ``orbitview engines pull NAME`` fills it from
the model hub at one commit and writes down every file's SHA-256; a folder copied by hand works as well.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import EngineUnavailable, InvalidRequest
from ..install import how_to_install
from .base import Readiness

MANIFEST = "orbitview.json"


@dataclass(frozen=True)
class Weights:
    """Published weights.

    Attributes:
        name: of the engine and of the folder.
        repository: on the model hub.
        licence: of the weights, in words that a user must accept.
        files: those that the engine reads; some of them prove that the folder is filled.
        patterns: what to fetch.
    """

    name: str
    repository: str
    licence: str
    files: tuple[str, ...]
    patterns: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Settings().weights_dir.expanduser() / self.name

    def missing(self) -> list[str]:
        """Files that are not there."""
        return [name for name in self.files if not any(self.folder.glob(name))]

    def readiness(self, packages: Iterable[str]) -> Readiness:
        """Whether the packages and the files are there."""
        absent = [name for name in packages if importlib.util.find_spec(name) is None]
        if absent:
            reason = f"the Python packages {', '.join(absent)} are missing"
            return Readiness(False, reason, f"Run: {how_to_install('diffusion')}.")
        if self.missing():
            return Readiness(
                False,
                "its weights are not on this machine",
                f"Run: orbitview engines pull {self.name} --accept-license.",
            )
        return Readiness(True)

    def require(self) -> Path:
        """The filled folder.

        Raises:
            EngineUnavailable: files are missing.
        """
        missing = self.missing()
        if missing:
            raise EngineUnavailable(
                f"The weights of {self.name} are not on this machine ({missing[0]} is missing in {self.folder}).",
                hint=f"Run: orbitview engines pull {self.name} --accept-license.",
                field="engine",
            )
        return self.folder


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pull(weights: Weights, *, accept: bool, revision: str | None = None) -> Path:
    """Fetch weights from the model hub (its own progress bars), check them and write the manifest.

    Args:
        accept: the user accepts the licence.
        revision: commit, tag or branch; without it the commit of the manifest, else the newest.

    Raises:
        InvalidRequest: the licence was not accepted.
        EngineUnavailable: no hub client, no network, or a file is not what the hub says it is.
    """
    if not accept:
        raise InvalidRequest(
            f"The weights of {weights.name} come under: {weights.licence}.",
            hint="Read it, and if you agree add --accept-license.",
            field="accept_license",
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        raise EngineUnavailable("The hub's client is not installed.", hint=f"Run: {how_to_install('diffusion')}.")
    from huggingface_hub import HfApi, snapshot_download

    folder = weights.folder
    kept = json.loads((folder / MANIFEST).read_text()) if (folder / MANIFEST).exists() else {}
    try:
        about = HfApi().model_info(weights.repository, revision=revision or kept.get("revision"), files_metadata=True)
        snapshot_download(
            weights.repository, revision=about.sha, local_dir=folder, allow_patterns=list(weights.patterns)
        )
    except Exception as error:  # the client raises errors of several libraries
        raise EngineUnavailable(
            f"The weights of {weights.name} could not be fetched: {type(error).__name__}: {str(error)[:200]}",
            hint=f"Without a network, copy {weights.repository} into {folder}.",
        ) from error
    published = {s.rfilename: s.lfs.sha256 for s in about.siblings or [] if s.lfs}
    sums = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and ".cache" not in p.parts and p.name != MANIFEST):
        name = path.relative_to(folder).as_posix()
        sums[name] = digest(path)
        if published.get(name, sums[name]) != sums[name]:
            raise EngineUnavailable(f"{name} is not what the hub published.", hint="Pull again.")
    manifest = {"repository": weights.repository, "revision": about.sha, "licence": weights.licence, "files": sums}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    weights.require()
    return folder


def changed(weights: Weights) -> list[str]:
    """Files whose SHA-256 is not the manifest's; empty where all is well or nothing was pulled."""
    path = weights.folder / MANIFEST
    if not path.exists():
        return []
    sums: dict[str, str] = json.loads(path.read_text())["files"]
    return [n for n, s in sums.items() if not (weights.folder / n).exists() or digest(weights.folder / n) != s]


class WarmModels:
    """Models that stay loaded, the longest unused ones giving way when memory runs out."""

    def __init__(self, budget: Callable[[], float]) -> None:
        self._budget, self._lock = budget, threading.Lock()
        self._kept: OrderedDict[object, tuple[Any, float]] = OrderedDict()

    def get(self, key: object, load: Callable[[], Any], size: Callable[[Any], float]) -> Any:
        """The model of that key, loaded by ``load`` where it is not warm; ``size`` tells its bytes."""
        with self._lock:
            if key not in self._kept:
                model = load()
                needed = size(model)
                while self._kept and needed + sum(s for _, s in self._kept.values()) > self._budget():
                    self._kept.popitem(last=False)
                    _give_back()
                self._kept[key] = (model, needed)
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            _give_back()


def _give_back() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _budget() -> float:
    stated = Settings().model_memory_gb
    if stated:
        return stated * 2**30
    import torch

    return 0.85 * torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 12 * 2**30


WARM = WarmModels(_budget)
"""The process's models."""
