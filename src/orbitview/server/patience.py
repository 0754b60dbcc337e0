"""Connections that have nothing to say, or whose other end is gone, are closed in time."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 30.0
"""Seconds that the head of a request may take, from the connection or its first byte on."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, and a connection whose request has no complete head in time is closed.

    uvicorn itself waits for ever for the end of a head that drips.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enough()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._enough()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._enough()
        self._late = self.loop.call_later(HEAD, self.transport.close)

    def _enough(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def notice_the_dead(listening: socket.socket, seconds: int = 60) -> None:
    """Have the system end connections whose other end no longer answers; accepted sockets take it over.

    Args:
        seconds: until one is ended. Systems that cannot say so keep their own times.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": seconds // 2, "TCP_KEEPINTVL": seconds // 6, "TCP_KEEPCNT": 3}
    options["TCP_USER_TIMEOUT"] = seconds * 1000
    for name, value in options.items():
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
