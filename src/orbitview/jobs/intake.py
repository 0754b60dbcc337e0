"""What several threads hand in at about the same time is written in one transaction (a group commit)."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Intake(Generic[T, R]):
    """One thread that hands on what it is given, together with what came while it wrote.

    SQLite has one writer at a time, and who must wait there sleeps for long: our own threads queue here instead.

    Args:
        write: writes all or nothing; returns one result for each.
        most: how many at once.
    """

    def __init__(self, write: Callable[[list[T]], list[R]], most: int = 64) -> None:
        self._write, self._most = write, most
        self._waiting: queue.SimpleQueue[tuple[T, Future[R]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None

    def __call__(self, item: T) -> R:
        """Its result once it is written; raises what writing it raised."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="intake", daemon=True)
                self._writer.start()
        future: Future[R] = Future()
        self._waiting.put((item, future))
        return future.result()

    def close(self) -> None:
        """Write what still waits, and end the thread."""
        with self._lock:
            if self._writer is not None:
                self._waiting.put(None)
                self._writer.join()
                self._writer = None

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            taken = [first]
            with contextlib.suppress(queue.Empty):
                while len(taken) < self._most:
                    further = self._waiting.get_nowait()
                    if further is None:
                        self._waiting.put(None)
                        break
                    taken.append(further)
            self._serve(taken)

    def _serve(self, taken: list[tuple[T, Future[R]]]) -> None:
        try:
            results = self._write([item for item, _ in taken])
        except BaseException as error:
            if len(taken) == 1:
                taken[0][1].set_exception(error)
            else:  # one of them is wrong, the others need not be
                for alone in taken:
                    self._serve([alone])
            return
        for (_, future), result in zip(taken, results, strict=True):
            future.set_result(result)
