"""The hosted service's routes, answered field for field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ..errors import OrbitviewError
from ..jobs.answers import fetch_answer
from ..jobs.queue import Busy, JobQueue
from ..operations.base import Dialect, KeyBody, Operation
from ..operations.reader import BadFields, whole_number
from ..operations.registry import operations
from . import hosted
from .auth import Unauthorized
from .reading import TIP, read_body
from .turns import taken

router = APIRouter(tags=["Hosted API"])
Row = dict[str, Any]

FETCH_PATHS = (
    "/api/v3/fetch/{job_id}",
    "/api/v3/dreambooth/fetch/{job_id}",
    "/api/v4/dreambooth/fetch/{job_id}",
    "/api/v5/fetch/{job_id}",
    "/api/v6/image_editing/fetch/{job_id}",
    "/api/v6/images/fetch/{job_id}",
    "/api/v6/3d/fetch/{job_id}",
    "/api/v1/image_editing/fetch/{job_id}",
    "/api/v1/enterprise/fetch/{job_id}",
    "/api/v1/enterprise/image_editing/fetch/{job_id}",
    "/api/v1/enterprise/3d/fetch/{job_id}",
)
BODY_FETCH_PATHS = ("/api/v6/images/fetch", "/api/v6/3d/fetch", "/api/v1/enterprise/fetch")
"""Where the number of the request is in the body, as ``request_id`` or ``id``."""
_NONE = "There is no such request."


def answer(request: Request, body: Row, status: int = 200) -> JSONResponse:
    """HTTP 200 whatever happened, as old clients expect, unless real status codes are on."""
    queue: JobQueue = request.app.state.queue
    return JSONResponse(body, status if queue.settings.real_status else 200)


async def entered(request: Request) -> tuple[Row, Row]:
    """A call's body, and the key that it comes with."""
    body = await read_body(request)
    return body, await run_in_threadpool(request.app.state.gate.enter, request, body.get("key"))


def vendor_error(error: OrbitviewError) -> Row:
    """An error in the hosted service's words, and in its misspelling beside them: some clients read no other."""
    message: object = error.message
    more: Row = {}
    if isinstance(error, BadFields):
        message = error.fields
    elif isinstance(error, Busy):
        more = {"tips": error.hint, "retry_after": error.retry_after}
    elif isinstance(error, Unauthorized):
        more = {"tip": TIP}
    elif error.field:
        message = {error.field: [str(error)]}
    else:
        more = {"tip": error.hint or TIP}
    return {"status": "error", "messege": message, "message": message, **more}


def starter(operation: Operation, dialect: Dialect) -> Callable[[Request], Awaitable[JSONResponse]]:
    """The endpoint that starts a job of an operation, and gives its result where it is done in time."""

    async def start(request: Request) -> JSONResponse:
        queue: JobQueue = request.app.state.queue
        gate = request.app.state.gate

        def accept(body: Row) -> Row:
            key = gate.enter(request, body.get("key"))
            webhook, track = webhook_of(body), body.get("track_id")
            wanted, pictures = operation.read(body, queue.storage, dialect)
            if isinstance(track, int):
                wanted["track_id"] = track  # handed back as the number that it was
            track = None if track in (None, "") else str(track)
            with gate.admitted(key):
                return queue.submit(
                    wanted, key["id"], pictures=pictures, webhook=webhook, track_id=track, operation=operation.name
                )

        job = await run_in_threadpool(accept, await read_body(request))
        taken(request)
        job = await wait_for(queue, job, queue.settings.compatible_wait)
        body = await run_in_threadpool(fetch_answer, job, queue)
        return answer(request, body, 200 if body["status"] in ("success", "processing") else 422)

    start.__name__, start.__doc__ = operation.webhook_type, f"{operation.summary}."
    return start


def webhook_of(body: Row) -> str | None:
    """The address to tell when the job has ended."""
    url = body.get("webhook")
    if url in (None, ""):
        return None
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")) or len(url) > 2000:
        raise BadFields({"webhook": ["The webhook field must be an http or https URL."]})
    return url


_waiting: list[int] = []
"""Jobs that somebody waits for."""


async def wait_for(queue: JobQueue, job: Row, seconds: float) -> Row:
    """The job's record once it has ended, or after ``seconds``."""
    begun = time.monotonic()
    _waiting.append(job["id"])
    try:
        while job["status"] in ("queued", "processing") and (waited := time.monotonic() - begun) < seconds:
            # Who waits long can wait a little longer, and so can each of many.
            await asyncio.sleep(min(0.3, max(0.02 * len(_waiting), waited / 40)))
            found = await run_in_threadpool(queue.records.job, job["id"])
            if found is None:
                break
            job = found
    finally:
        _waiting.remove(job["id"])
    return job


async def fetch(request: Request, job_id: str = "") -> JSONResponse:
    """The job's state, and its output once it is there."""
    queue: JobQueue = request.app.state.queue
    body = await read_body(request) if request.method == "POST" else {}
    if not job_id:
        job_id = str(body.get("request_id") or body.get("id") or "")
    key = await run_in_threadpool(
        partial(request.app.state.gate.enter, look=True),
        request,
        body.get("key") or request.query_params.get("key"),
    )
    job = (
        await run_in_threadpool(queue.records.job, number, key["id"])
        if (number := whole_number(job_id)) is not None
        else None
    )
    if job is None:
        return answer(
            request,
            {"status": "failed", "id": job_id[:20], "messege": _NONE, "message": _NONE, "output": ""},
            404,
        )
    return answer(request, await run_in_threadpool(fetch_answer, job, queue))


for operation in operations().values():
    for path, dialect in operation.hosted.items():
        same = [other for other, spoken in operation.hosted.items() if (spoken == "v6") == (dialect == "v6")]
        router.add_api_route(
            path,
            starter(operation, dialect),
            methods=["POST"],
            summary=f"{operation.summary} (hosted contract)",
            description=hosted.also(same[1:]),
            include_in_schema=path == same[0],
            **hosted.described(operation.body, hosted.Success | hosted.Processing, operation.example),
        )
for path in FETCH_PATHS:
    router.add_api_route(
        path,
        fetch,
        methods=["POST"],
        summary="The result of a queued request (hosted contract)",
        description=hosted.also(FETCH_PATHS[1:]),
        include_in_schema=path == FETCH_PATHS[0],
        **hosted.described(KeyBody, hosted.Success | hosted.Processing, {"key": "ov_…"}),
    )
    router.add_api_route(path, fetch, methods=["GET"], include_in_schema=False)


async def fetch_by_body(request: Request) -> JSONResponse:
    """The job's state, its number told in the body."""
    return await fetch(request)


for path in BODY_FETCH_PATHS:
    router.add_api_route(path, fetch_by_body, methods=["POST"], include_in_schema=False)
