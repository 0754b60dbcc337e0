"""Who listens to a job: however many they are, one of us looks at the job and tells them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool

from ..jobs.queue import JobQueue
from ..jobs.records import OPEN
from ..logs import get_logger

EVERY = 0.1
"""Seconds between two looks at a job."""
SILENCE = 15.0
"""Seconds after which a listener is told that we are still there."""
Row = dict[str, Any]
log = get_logger("orbitview.api")


class _Job:
    """What is known of a job that somebody listens to."""

    def __init__(self) -> None:
        self.listeners = 0
        self.event: str | None = None
        self.number = 0
        self.ended = False
        self.news = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    def has_news(self, seen: int) -> bool:
        return self.ended or self.number != seen


class Listeners:
    """Server-sent events of jobs.

    Args:
        present: a job as the last event shows it.
    """

    def __init__(self, queue: JobQueue, present: Callable[[Row, JobQueue], Row]) -> None:
        self._queue, self._present = queue, present
        self._jobs: dict[int, _Job] = {}

    async def events(self, job_id: int) -> AsyncIterator[str]:
        """The latest event at once, then each new one; ends after ``done``, or where the job is gone."""
        job = self._jobs.setdefault(job_id, _Job())
        job.listeners += 1
        if job.task is None:
            job.task = asyncio.create_task(self._watch(job_id, job))
        seen = 0
        try:
            while True:
                async with job.news:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(job.news.wait_for(partial(job.has_news, seen)), SILENCE)
                    fresh, seen, event, ended = job.number != seen, job.number, job.event, job.ended
                if fresh and event is not None:
                    yield event
                elif not ended:
                    yield ": still here\n\n"
                if ended:
                    return
        finally:
            job.listeners -= 1
            if not job.listeners:
                self._jobs.pop(job_id, None)
                job.task.cancel()

    async def _watch(self, job_id: int, job: _Job) -> None:
        last: tuple[Any, ...] = ()
        while not job.ended:
            try:
                state, event = await run_in_threadpool(self._look, job_id, last)
            except Exception as error:  # the database is away, say: listeners come again by themselves
                log.warning("listeners sent away", job=job_id, error=repr(error)[:300])
                state, event = ("gone",), None
            if state != last:
                last = state
                async with job.news:
                    job.event, job.number, job.ended = event, job.number + 1, state[0] != "open"
                    job.news.notify_all()
            await asyncio.sleep(EVERY)

    def _look(self, job_id: int, last: tuple[Any, ...]) -> tuple[tuple[Any, ...], str | None]:
        """The job's state, and the event that tells of it where it is not the last one's."""
        job = self._queue.records.job(job_id)
        if job is None:
            return ("gone",), None
        if job["status"] not in OPEN:
            return ("ended",), _event("done", self._present(job, self._queue))
        place = self._queue.position(job)
        state = ("open", job["status"], job["progress"], job["stage"], place, len(json.loads(job["files"])))
        if state == last:
            return state, None
        told = {"status": job["status"], "percent": round(100 * job["progress"], 1), "stage": job["stage"]}
        told |= {"position": place, "files": state[-1], "eta": self._queue.eta_of(job)}
        return state, _event("progress", told)


def _event(name: str, data: Row) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
