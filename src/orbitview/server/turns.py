"""Places among the large bodies that are in memory at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request


class Turn:
    """One request's place among the large bodies."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns, self._held, self._done = turns, False, False

    async def take(self) -> None:
        if not self._held and not self._done:
            await self._turns.acquire()
            self._held = True

    def give_back(self) -> None:
        self._done = True
        if self._held:
            self._held = False
            self._turns.release()


def taken(request: Request) -> None:
    """The request's picture was taken out of its body: the next large body may come."""
    turn: Any = request.scope.get("orbitview.turn")
    if turn is not None:
        turn.give_back()
