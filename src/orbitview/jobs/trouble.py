"""When the database is away or the disk is full: what to say, and how to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from ..errors import OrbitviewError
from ..logs import get_logger
from ..storage import disk_full
from .records import Records

T = TypeVar("T")
log = get_logger("orbitview.jobs")


class DatabaseAway(OrbitviewError):
    """The database does not answer."""

    code = "database_unavailable"
    status = 503


def full_or_away(error: Exception) -> OrbitviewError:
    """What a database's error means to somebody who asks for something."""
    if "full" in str(getattr(error, "orig", error)).lower():
        return disk_full()
    return DatabaseAway("The database does not answer.", hint="Try again in a minute.")


def passing(error: Exception) -> bool:
    """Whether a database's error is one that time may mend: a lost connection, a full disk, a lock."""
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError) or (
        isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    )


def patiently(action: Callable[[], T], stop: threading.Event | None = None) -> T:
    """Do it again, at most five seconds apart, until what :func:`passing` names has passed.

    Raises:
        sqlalchemy.exc.DBAPIError: something else is wrong, or ``stop`` is set.
    """
    pause, told = 0.2, False
    while True:
        try:
            return action()
        except sa.exc.SQLAlchemyError as error:
            if not passing(error) or (stop is not None and stop.is_set()):
                raise
            if not told:
                told = True
                log.warning("the database is away or full; waiting", error=repr(error)[:300])
            time.sleep(pause)
            pause = min(5.0, pause * 2)


class PatientRecords:
    """:class:`Records` whose every read and write is tried until it can be done."""

    def __init__(self, records: Records, stop: threading.Event | None = None) -> None:
        self._records, self._stop = records, stop

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._records, name)
        return lambda *args, **named: patiently(partial(method, *args, **named), self._stop)
