"""Who is asking: API keys from the body, ``Authorization: Bearer``, ``X-API-Key`` or ``key``; limits a key."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from ..errors import OrbitviewError
from ..jobs.queue import Busy, JobQueue

OPEN_KEY: dict[str, Any] = {"id": "open", "name": "open", "reads": None, "per_minute": 0, "at_once": 0}
"""Stands for everybody while no key was ever created (the server then listens on loopback only)."""


class Unauthorized(OrbitviewError):
    """No key, or not a live one."""

    code = "invalid_api_key"
    status = 401


class Forbidden(OrbitviewError):
    """A live key, but not for this."""

    code = "forbidden"
    status = 403


class Gate:
    """Looks keys up and counts requests."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._recent: dict[str, deque[float]] = {}
        self._alone: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def enter(self, request: Request, body_key: object = None, *, look: bool = False) -> dict[str, Any]:
        """The key's record; for a key that only reads, the record of the key that it reads.

        Args:
            look: looking things up is all that is wanted, so a key that only reads will do.

        Raises:
            Unauthorized: keys exist and none that lives was given.
            Forbidden: the key may only read.
        """
        header = request.headers.get("authorization", "")
        named = request.headers.get("x-api-key") or request.headers.get("key")  # the second: clients of 2023
        text = header[7:].strip() if header[:7].lower() == "bearer " else named or body_key
        found = self._queue.records.find_key(str(text)) if text else None
        if found is not None and found["reads"]:
            if not look:
                raise Forbidden("This key may only read.", hint="Use the key that it was made for.")
            found = self._queue.records.key(found["reads"])
        if found is not None and not found["revoked"]:
            return found
        if not self._queue.any_key():
            return OPEN_KEY
        raise Unauthorized(
            "Invalid Api Key", hint="Send a key as `key` in the body, as Authorization: Bearer, or as X-API-Key."
        )

    @contextlib.contextmanager
    def admitted(self, key: dict[str, Any]) -> Iterator[None]:
        """Count the job that is made within against the key's limits; what is refused within does not count.

        Raises:
            Busy: too many a minute, or too many at once.
        """
        with self._lock:
            alone = self._alone.setdefault(key["id"], threading.Lock()) if key["at_once"] else contextlib.nullcontext()
        with alone:
            if key["at_once"] and self._queue.records.waiting(key["id"]) >= key["at_once"]:
                raise Busy(
                    "Rate limit exceeded", hint=f"This key may have {key['at_once']} jobs at once.", retry_after=5
                )
            now = self._count(key)
            try:
                yield
            except BaseException:
                if now is not None:
                    with self._lock, contextlib.suppress(ValueError):
                        self._recent[key["id"]].remove(now)
                raise

    def _count(self, key: dict[str, Any]) -> float | None:
        if not key["per_minute"]:
            return None
        now = time.monotonic()
        with self._lock:
            recent = self._recent.setdefault(key["id"], deque())
            while recent and recent[0] < now - 60:
                recent.popleft()
            if len(recent) >= key["per_minute"]:
                raise Busy(
                    "Rate limit exceeded",
                    hint=f"This key may start {key['per_minute']} jobs a minute.",
                    retry_after=int(61 - (now - recent[0])),
                )
            recent.append(now)
        return now
