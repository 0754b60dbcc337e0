"""Requests that wait at the same time run together, where an engine gains by it (``"batch"``).

Each caller stays in a thread of its own and hears of its own progress there; one further thread for each engine takes
what waits, a fair share for each key, and hands it over as one batch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..errors import Cancelled
from ..views import ViewSet
from .base import Engine, EngineRequest, Progress

WINDOW = 0.05
"""Seconds that a request waits for company at most, and only while others are on their way."""
IDLE = 5.0
"""Seconds without work after which an engine's thread ends."""
_lock = threading.Lock()
_device = threading.Lock()
"""One batch at a time, whatever the engine: they share the GPU's memory."""


def most_together(engine: Engine, setting: int) -> int:
    """How many requests of an engine to run at once here: no more than it says of itself."""
    if "batch" not in engine.info.features:
        return 1
    own: Callable[[], int] | None = getattr(engine, "together", None)
    return max(1, min(setting, own()) if own else setting)


@contextmanager
def gathering(most: int, key: str) -> Iterator[None]:
    """Inside, in this thread, :func:`run_one` may run a request beside those of other threads.

    Args:
        most: requests in a batch.
        key: whose request it is; keys get equal shares.
    """
    caller = _Caller(most, key)
    token = _caller.set(caller)
    caller.come()
    try:
        yield
    finally:
        caller.arrive()
        _caller.reset(token)


def run_one(engine: Engine, request: EngineRequest, progress: Progress) -> ViewSet:
    """Run a request; within :func:`gathering` perhaps together with others."""
    caller = _caller.get()
    most = most_together(engine, caller.most) if caller else 1
    if caller is None or most == 1:
        return engine.generate([request], progress)[0]
    with _lock:
        gatherer = _gatherers.setdefault(id(engine), Gatherer(engine, most))
    return gatherer.run(request, caller.key, progress, caller.arrive)


class _Caller:
    """A thread within :func:`gathering`."""

    on_their_way = 0
    """Those that have not handed their request over yet."""

    def __init__(self, most: int, key: str) -> None:
        self.most, self.key, self._coming = most, key, False

    def come(self) -> None:
        with _lock:
            self._coming = True
            _Caller.on_their_way += 1

    def arrive(self) -> None:
        with _lock:
            _Caller.on_their_way -= self._coming
            self._coming = False


@dataclass(eq=False)
class _Member:
    request: EngineRequest
    key: str
    since: float = field(default_factory=time.monotonic)
    latest: tuple[float, str] = (0.0, "wait")
    gone: bool = False
    views: ViewSet | None = None
    error: BaseException | None = None

    @property
    def ended(self) -> bool:
        return self.views is not None or self.error is not None

    @property
    def kind(self) -> object:
        """Requests of one kind take the same number of steps; others would wait for the slowest."""
        return self.request.steps, self.request.guidance


class Gatherer:
    """What waits for one engine.

    Args:
        most: requests in a batch.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine, self._most = engine, most
        self._changed = threading.Condition()
        self._waiting: list[_Member] = []
        self._served: dict[str, int] = {}
        self._turn = 0
        self._alive = False

    def run(
        self, request: EngineRequest, key: str, progress: Progress, arrived: Callable[[], None] = lambda: None
    ) -> ViewSet:
        """Wait for the request's views, telling ``progress`` of this request alone.

        Args:
            arrived: called once the request waits.

        Raises:
            Exception: what the engine raised for this request, or what ``progress`` did; neither disturbs the others.
        """
        mine = _Member(request, key)
        with self._changed:
            self._waiting.append(mine)
            if not self._alive:
                self._alive = True
                threading.Thread(target=self._serve, name=f"engine {self._engine.info.name}", daemon=True).start()
            arrived()
            self._changed.notify_all()
        shown: tuple[float, str] | None = None
        try:
            while True:
                with self._changed:
                    # Woken now and then without news, for the caller may have been cancelled.
                    self._changed.wait_for(lambda before=shown: mine.ended or mine.latest != before, 0.25)  # type: ignore[misc]
                    shown = mine.latest
                if mine.error is not None:
                    raise mine.error
                if mine.views is not None:
                    return mine.views
                progress(*shown)
        finally:
            with self._changed:
                mine.gone = True
                if mine in self._waiting:
                    self._waiting.remove(mine)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: bool(self._waiting), IDLE):
                    self._alive = False
                    return
                left = self._waiting[0].since + WINDOW - time.monotonic()
                while self._waiting and left > 0 and self._worth_waiting():
                    self._changed.wait(min(left, 0.005))
                    left = self._waiting[0].since + WINDOW - time.monotonic() if self._waiting else 0
                batch = self._choose()
            if batch:
                with _device:
                    self._run(batch)

    def _worth_waiting(self) -> bool:
        """Whether there is room, and somebody who may still come."""
        return len(self._waiting) < self._most and _Caller.on_their_way > 0

    def _choose(self) -> list[_Member]:
        """Requests of one kind, from the keys in turn; who was served longest ago begins."""
        batch: list[_Member] = []
        while self._waiting and len(batch) < self._most:
            open_ = [m for m in self._waiting if not batch or m.kind == batch[0].kind]
            if not open_:
                break
            member = min(open_, key=lambda m: self._served.get(m.key, 0))  # the first of equals, so the oldest
            self._turn += 1
            self._served[member.key] = self._turn
            self._waiting.remove(member)
            batch.append(member)
        return batch

    def _run(self, batch: list[_Member]) -> None:
        def told(share: float, stage: str) -> None:
            with self._changed:
                for member in batch:
                    member.latest = (share, stage)
                self._changed.notify_all()
                if all(member.gone for member in batch):
                    raise Cancelled("Nobody waits for these requests any more.")

        try:
            made = self._engine.generate([member.request for member in batch], told)
            for member, views in zip(batch, made, strict=True):
                member.views = views
        except BaseException as error:
            if len(batch) == 1:
                batch[0].error = error
            else:  # whose fault it was shows when each runs alone
                for member in batch:
                    member.views = None
                    if not member.gone:
                        self._run([member])
        finally:
            with self._changed:
                self._changed.notify_all()


_caller: ContextVar[_Caller | None] = ContextVar("orbitview_caller", default=None)
_gatherers: dict[int, Gatherer] = {}
"""By the engine's id: an engine is kept by its gatherer, and so keeps its id."""
