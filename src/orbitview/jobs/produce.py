"""One job's work: from a stored request to stored files. No queue, no HTTP server in here."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..config import Settings
from ..errors import Cancelled, InvalidImage
from ..logs import get_logger
from ..operations.base import Desk, Operation, Row
from ..operations.pictures import images_of
from ..outgoing import fetch
from ..storage import Storage

log = get_logger("orbitview.worker")


def fetch_inputs(request: Row, settings: Settings, storage: Storage, wanted: Callable[[], bool]) -> list[bytes]:
    """The pictures' bytes: from our storage, or from URLs that the caller named, for as long as they are ``wanted``."""
    return [_fetched(image, settings, storage, wanted) for image in images_of(request)]


def _fetched(image: Row, settings: Settings, storage: Storage, wanted: Callable[[], bool]) -> bytes:
    if "key" in image:
        stored = storage.get(image["key"])
        if stored is None:
            raise InvalidImage("The uploaded picture is gone.", hint="Upload it again.", field="image")
        return stored.data
    return fetch(image["url"], allow_hosts=settings.allow_hosts, wanted=wanted)


class Watch:
    """A job's progress: passed on a few times a second, its stages timed; it ends where nobody waits any more.

    A thread of its own tells it, so that the work never waits for the database. To be closed, as a context manager.

    Args:
        advance: told the share done and the stage; answers whether anybody still waits.
        timeout: seconds that the job may take.
    """

    def __init__(self, advance: Callable[[float, str], bool], timeout: float) -> None:
        self._advance, self._timeout = advance, timeout
        self._begun = self._since = time.monotonic()
        self._current = ""
        self._stages: dict[str, float] = {}
        self._news: tuple[float, str] | None = None
        self._told, self._closed = threading.Event(), threading.Event()
        self._trouble: Exception | None = None
        self._teller = threading.Thread(target=self._tell, daemon=True)
        self._teller.start()

    def __call__(self, share: float, stage: str) -> None:
        """Raises Cancelled: ``advance`` said that nobody waits any more, or the time is up."""
        now = time.monotonic()
        name = stage.split(" ")[0]  # "denoise 3/28" is one stage
        if name != self._current:
            self._close(now)
            self._current = name
        if now > self._begun + self._timeout:
            raise Cancelled(
                f"The job took longer than {self._timeout:.0f} seconds.",
                hint="Ask for less, or raise ORBITVIEW_JOB_TIMEOUT.",
            )
        if self._trouble is not None:
            raise self._trouble
        self._news = share, stage
        self._told.set()

    def _tell(self) -> None:
        while self._told.wait() and not self._closed.is_set():
            self._told.clear()
            try:
                if self._news is not None and not self._advance(*self._news):
                    raise Cancelled("The job was cancelled.")
            except Exception as error:
                self._trouble = error
                return
            self._closed.wait(0.1)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._told.set()
        self._teller.join()

    def _close(self, now: float) -> None:
        self._stages[self._current] = self._stages.get(self._current, 0.0) + now - self._since
        self._since = now

    def stages(self) -> dict[str, float]:
        """Seconds that each stage has taken, the present one included."""
        self._close(time.monotonic())
        return {name: round(seconds, 3) for name, seconds in self._stages.items() if name}


def produce(
    operation: Operation,
    request: Row,
    pictures: Sequence[bytes],
    prefix: str,
    storage: Storage,
    advance: Callable[[float, str], bool],
    publish: Callable[[list[Row]], None],
    finish: Callable[[list[Row], Row], bool],
    timeout: float,
    keep_scene: bool = True,
) -> bool:
    """Do a job's operation; the same request gives the same files under the same keys.

    Args:
        advance: told the share done and the stage; answers whether anybody still waits.
        publish: told the files so far, before each format that takes long.
        finish: told the files (name, key, kind, camera) and the meta data; answers whether they were wanted. What
            nobody waits for is done after that.
        keep_scene: store the object as well, so that further files can be made of it.

    Returns:
        What ``finish`` said.

    Raises:
        Cancelled: ``advance`` said that nobody waits any more, or the time is up.
    """
    with tempfile.TemporaryDirectory(prefix="orbitview-") as folder:
        with Watch(advance, timeout) as watch:
            desk = Desk(prefix, storage, Path(folder), watch, publish, keep_scene)
            meta = operation.run(request, pictures, desk)
        if not finish(desk.files, meta | {"stages": watch.stages()}):
            return False
        try:
            desk.clear()
        except Exception as error:
            log.warning("the object was not kept", error=repr(error)[:300])
    return True
