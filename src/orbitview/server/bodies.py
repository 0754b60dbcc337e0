"""What comes in, before anything is parsed: keys first, limits, and few large bodies at a time.

A body of commas and brackets costs a hundred times its size once it is parsed, on the loop that serves everybody.
Pictures are one long string: a request has few of them, so they are counted as the bytes arrive.
"""

from __future__ import annotations

import asyncio
import re
import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import InvalidRequest, OrbitviewError
from .problems import shaped
from .turns import Turn

MARKS = 20_000
"""Most brackets, braces and commas in a body that is no multipart form and no picture."""
LARGE = 2**20
"""Bytes after which a body must wait for its turn."""
TURNS = 2
"""Large bodies in memory at a time."""
SILENCE = 30.0
"""Seconds between two pieces of a body."""
SLOWEST = 16 * 2**10
"""Bytes a second that a body must reach beyond its first :data:`SILENCE`: large ones wait for each other."""
PLAIN_LIMIT = 256 * 2**10
"""Bytes of a body where no picture is expected."""
_PLAIN = re.compile(
    r"/(fetch|system_load|system_details|delete_image|restart_server|update|update_server|clear_cache|clear_queue)(/|$)"
    "|^/v1/jobs"
)
_BINARY = ("multipart/", "image/", "application/octet-stream")


class TooLarge(OrbitviewError):
    """The body is larger, or holds more, than is taken here."""

    code = "too_large"
    status = 413


class TooSlow(OrbitviewError):
    """The body stopped coming."""

    code = "too_slow"
    status = 408


class Bodies:
    """Middleware; :func:`.turns.taken` tells it when a route needs a large body no more."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most
        self._turns = asyncio.Semaphore(TURNS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").strip().lower().decode("latin-1")
        plain = _PLAIN.search(scope["path"]) is not None
        most = min(self.most, PLAIN_LIMIT) if plain else self.most
        length = headers.get(b"content-length", b"")
        announced = int(length) if re.fullmatch(rb"[0-9]{1,18}", length) else None
        turn = Turn(self._turns)
        scope["orbitview.turn"] = turn
        seen, marks, begun, complete = 0, 0, False, False
        came = time.monotonic()

        async def counted() -> Message:
            nonlocal seen, marks, complete
            try:
                message = await asyncio.wait_for(receive(), None if complete else SILENCE)
            except TimeoutError:
                raise TooSlow("The body stopped coming.", hint="Send the request again.") from None
            complete = not message.get("more_body", False)
            part: bytes = message.get("body", b"")
            seen += len(part)
            if seen > most:
                raise _too_large(most)
            if time.monotonic() - came > SILENCE + seen / SLOWEST:
                raise TooSlow("The body came too slowly.", hint="Send it by a faster line, or a smaller picture.")
            if not kind.startswith(_BINARY):
                marks += sum(part.count(mark) for mark in (b"[", b"{", b","))
                if marks > MARKS:
                    raise InvalidRequest("The body holds too many values.", hint="Send one picture and its options.")
            if seen > LARGE:
                await turn.take()
            return message

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if announced is not None and announced > most:
                raise _too_large(most)
            if announced is None or announced > PLAIN_LIMIT:
                await run_in_threadpool(_check_key, scope)
            await self.app(scope, counted, sent)
        except OrbitviewError as error:
            if begun:
                raise
            answer: JSONResponse = shaped(Request(scope), error)
            answer.headers["connection"] = "close"  # what is left of the body is not read
            await answer(scope, receive, send)
        finally:
            turn.give_back()


def _too_large(most: int) -> TooLarge:
    size = f"{most // 2**20} MB" if most >= 2**20 else f"{most // 2**10} kB"
    return TooLarge(f"The body has more than {size}.")


def _check_key(scope: Scope) -> None:
    """Refuse a long body by its header's key, where it must have one there or has a wrong one.

    Raises:
        Unauthorized: as the route would, without reading.
    """
    request = Request(scope)
    gate = scope["app"].state.gate
    said = any(request.headers.get(name) for name in ("authorization", "x-api-key", "key"))
    if said or scope["path"].startswith("/v1/"):
        gate.enter(request, look=True)
