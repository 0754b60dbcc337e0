"""Our own REST: real status codes, RFC 9457 problems, idempotency, paging, events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ..engines import describe_engines
from ..errors import InvalidRequest, OrbitviewError
from ..formats import ABOUT
from ..jobs.answers import artefacts, scene_of
from ..jobs.queue import JobQueue
from ..operations.base import Operation, OwnBody
from ..operations.reader import refuse_surrogates, whole_number
from ..operations.registry import operations
from ..operations.views import read_files_request
from .auth import Gate
from .listeners import Listeners
from .models import (
    DeliveryModel,
    EngineModel,
    FilesRequest,
    FormatModel,
    JobModel,
    JobPage,
    Problem,
    UploadModel,
)
from .reading import PICTURE_BODY, read_picture
from .turns import taken
from .uploads import store_upload
from .v5 import wait_for, webhook_of

router = APIRouter(prefix="/v1", tags=["Views"])
Row = dict[str, Any]


class NotFound(OrbitviewError):
    """No such thing, or not this key's."""

    code = "not_found"
    status = 404


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
    for status, text in {
        400: "Malformed",
        401: "No valid key",
        403: "The key may only read",
        404: "Not found",
        409: "Conflict",
        413: "Too large",
        422: "Wrong fields",
        429: "Too many",
    }.items()
}


def current_key(request: Request) -> Row:
    """Dependency: the caller's key."""
    key: Row = request.app.state.gate.enter(request, look=request.method in ("GET", "HEAD"))
    return key


Key = Annotated[Row, Depends(current_key)]


def present(job: Row, queue: JobQueue) -> Row:
    """A job as :class:`JobModel`."""
    request = json.loads(job["request"])
    is_open = job["status"] in ("queued", "processing")
    return {
        **{
            k: job[k]
            for k in ("id", "status", "operation", "engine", "progress", "stage", "created", "started", "finished")
        },
        "position": queue.position(job),
        "eta": queue.eta_of(job) if is_open else None,
        "seed": request["seed"],
        "of": request.get("of"),
        "files": artefacts(job, queue),
        "meta": json.loads(job["meta"] or "{}"),
        "error": json.loads(job["error"]) if job["error"] else None,
    }


def own_job(queue: JobQueue, job_id: int, key: Row) -> Row:
    """One of the key's own jobs.

    Raises:
        NotFound: there is none of that number.
    """
    job = queue.records.job(job_id, key["id"]) if 0 < job_id < 2**53 else None
    if job is None:
        raise NotFound("There is no such job.", hint="Jobs are seen only by the key that made them, until they expire.")
    return job


Prefer = Annotated[str | None, Header(description="wait or wait=SECONDS: answer when the job has ended, 60 s at most.")]


def starter(operation: Operation) -> Callable[..., Awaitable[Row]]:
    """The endpoint that queues a job of an operation."""

    async def create(
        body: OwnBody,
        request: Request,
        response: Response,
        key: Key,
        prefer: Prefer = None,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Row:
        queue: JobQueue = request.app.state.queue
        gate: Gate = request.app.state.gate
        fields = body.model_dump(exclude_none=True)
        refuse_surrogates(fields)
        webhook = webhook_of(fields)
        wanted, pictures = await run_in_threadpool(operation.read, fields, queue.storage, "own")
        if idempotency_key and fields.get("seed") is None:  # a repeated request must be the same request
            wanted["seed"] = int.from_bytes(hashlib.sha256(idempotency_key.encode()).digest()[:4]) % 2**31

        def accept() -> Row:
            with gate.admitted(key):
                return queue.submit(
                    wanted,
                    key["id"],
                    pictures=pictures,
                    webhook=webhook,
                    track_id=body.track_id,
                    idempotency=idempotency_key,
                    priority=body.priority,
                    operation=operation.name,
                )

        job = await run_in_threadpool(accept)
        taken(request)
        return await answered(job, request, response, prefer)

    create.__annotations__["body"] = operation.model
    create.__name__, create.__doc__ = f"create_{operation.name}", f"{operation.summary}: queue a job."
    return create


async def answered(job: Row, request: Request, response: Response, prefer: str | None) -> Row:
    """A job just made, or as it is once it has ended where the caller prefers to wait."""
    queue: JobQueue = request.app.state.queue
    seconds = _wait(prefer)
    if seconds:
        job = await wait_for(queue, job, seconds)
        response.headers["Preference-Applied"] = "wait"
    if job["status"] not in ("queued", "processing"):
        response.status_code = 200
    response.headers["Location"] = f"/v1/jobs/{job['id']}"
    return await run_in_threadpool(present, job, queue)


for operation in filter(lambda listed: listed.own, operations().values()):
    router.add_api_route(
        operation.own,
        starter(operation),
        methods=["POST"],
        status_code=202,
        response_model=JobModel,
        responses={200: {"model": JobModel, "description": "Done (Prefer: wait)"}, **PROBLEMS},
    )


@router.post(
    "/jobs/{job_id}/files",
    status_code=202,
    response_model=JobModel,
    responses={200: {"model": JobModel, "description": "Done (Prefer: wait)"}, **PROBLEMS},
)
async def create_files(
    job_id: int,
    body: FilesRequest,
    request: Request,
    response: Response,
    key: Key,
    prefer: Prefer = None,
) -> Row:
    """Queue a job that makes further files of a finished one's object, without running the engine again."""
    queue: JobQueue = request.app.state.queue
    gate: Gate = request.app.state.gate

    def accept() -> Row:
        before = own_job(queue, job_id, key)
        scene = scene_of(before)
        if scene is None:
            raise InvalidRequest(
                "This job has no kept object.",
                hint="It has not succeeded, its engine has no geometry, or it made further files itself.",
                field="job_id",
            )
        fields = body.model_dump(exclude_none=True)
        refuse_surrogates(fields)
        wanted = read_files_request(fields, json.loads(before["request"]), scene) | {"of": job_id}
        webhook = webhook_of(fields)
        with gate.admitted(key):
            return queue.submit(wanted, key["id"], webhook=webhook, track_id=body.track_id, priority=body.priority)

    return await answered(await run_in_threadpool(accept), request, response, prefer)


def _wait(prefer: str | None) -> float:
    for part in (prefer or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait":
            seconds = whole_number(value)
            return min(float(seconds), 60.0) if seconds is not None else 0.0 if value else 60.0
    return 0.0


@router.get("/jobs", response_model=JobPage, responses=PROBLEMS)
def list_jobs(
    request: Request,
    key: Key,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Row:
    """The key's jobs, newest first."""
    queue: JobQueue = request.app.state.queue
    rows = queue.records.list_jobs(key["id"], before, limit + 1)
    more = len(rows) > limit
    return {"jobs": [present(row, queue) for row in rows[:limit]], "next": rows[limit - 1]["id"] if more else None}


@router.get("/jobs/{job_id}", response_model=JobModel, responses=PROBLEMS)
def get_job(job_id: int, request: Request, key: Key) -> Row:
    """One job."""
    queue: JobQueue = request.app.state.queue
    return present(own_job(queue, job_id, key), queue)


@router.delete("/jobs/{job_id}", status_code=204, responses=PROBLEMS)
def delete_job(job_id: int, request: Request, key: Key) -> None:
    """Cancel a job that waits or runs; delete one that has ended, with its files."""
    queue: JobQueue = request.app.state.queue
    job = own_job(queue, job_id, key)
    if not queue.cancel(job):
        queue.delete(queue.records.job(job_id) or job)


@router.get(
    "/jobs/{job_id}/events",
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}, **PROBLEMS},
)
async def job_events(job_id: int, request: Request, key: Key) -> StreamingResponse:
    """Queue position, percent, stage and number of files as they change; the last event is ``done`` with the job.

    The files that an open job has made so far are in the job itself.
    """
    queue: JobQueue = request.app.state.queue
    await run_in_threadpool(own_job, queue, job_id, key)

    listeners: Listeners = request.app.state.listeners
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(listeners.events(job_id), media_type="text/event-stream", headers=headers)


@router.get("/jobs/{job_id}/webhooks", response_model=list[DeliveryModel], responses=PROBLEMS)
def list_deliveries(job_id: int, request: Request, key: Key) -> list[Row]:
    """The delivery log of a job's webhook."""
    queue: JobQueue = request.app.state.queue
    return queue.records.deliveries_of(own_job(queue, job_id, key)["id"])


@router.post("/jobs/{job_id}/webhooks", status_code=202, responses=PROBLEMS)
def redeliver(job_id: int, request: Request, key: Key) -> Row:
    """Send the webhook again, with the same event id."""
    queue: JobQueue = request.app.state.queue
    job = own_job(queue, job_id, key)
    if not job["webhook"]:
        raise InvalidRequest("This job has no webhook.", field="webhook")
    if job["status"] in ("queued", "processing"):
        raise InvalidRequest("This job has not ended yet.", hint="Its webhook is sent when it does.")
    attempt = 1 + max((d["attempt"] for d in queue.records.deliveries_of(job_id)), default=0)
    queue.announce(job, attempt)
    return {"event": f"evt_{job['uid']}", "attempt": attempt}


@router.post("/images", status_code=201, response_model=UploadModel, responses=PROBLEMS, openapi_extra=PICTURE_BODY)
async def upload_image(request: Request, key: Key) -> Row:
    """Store a picture: a multipart part or JSON field named ``image``, or the raw bytes of an ``image/*`` body."""
    queue: JobQueue = request.app.state.queue
    image = await read_picture(request)
    if not image:
        raise InvalidRequest(
            "There is no picture in the request.", hint="Send it as a part or field named image.", field="image"
        )
    number, link = await run_in_threadpool(store_upload, queue, key["id"], image, False)
    return {"id": number, "url": link}


@router.get("/engines", response_model=list[EngineModel], responses=PROBLEMS)
def list_engines(key: Key) -> list[Row]:
    """What is installed, and whether it can run here."""
    return describe_engines()


@router.get("/formats", response_model=list[FormatModel], responses=PROBLEMS)
def list_formats(key: Key) -> list[Row]:
    """What can be made."""
    return [
        {"name": name, "kind": about.kind, "file": about.file, "summary": about.summary}
        for name, about in ABOUT.items()
    ]
