"""Our own REST: real status codes, RFC 9457 problems, idempotency, paging, events."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ..engines import describe_engines
from ..errors import InvalidRequest, OrbitviewError
from ..formats import ABOUT
from ..jobs.answers import artefacts, scene_of
from ..jobs.queue import JobQueue
from .auth import Gate
from .models import (
    DeliveryModel,
    EngineModel,
    FilesRequest,
    FormatModel,
    JobModel,
    JobPage,
    Problem,
    UploadModel,
    ViewsRequest,
)
from .requests import read_files_request, read_request, refuse_surrogates, whole_number
from .turns import taken
from .v5 import _webhook, read_body, store_upload, wait_for

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
        **{k: job[k] for k in ("id", "status", "engine", "progress", "stage", "created", "started", "finished")},
        "position": queue.position(job),
        "eta": queue.eta_of(job) if is_open else None,
        "seed": request["seed"],
        "files": artefacts(job, queue),
        "meta": json.loads(job["meta"] or "{}"),
        "error": json.loads(job["error"]) if job["error"] else None,
    }


def _job(queue: JobQueue, job_id: int, key: Row) -> Row:
    job = queue.records.job(job_id, key["id"]) if 0 < job_id < 2**53 else None
    if job is None:
        raise NotFound("There is no such job.", hint="Jobs are seen only by the key that made them, until they expire.")
    return job


@router.post(
    "/views",
    status_code=202,
    response_model=JobModel,
    responses={200: {"model": JobModel, "description": "Done (Prefer: wait)"}, **PROBLEMS},
)
async def create_views(
    body: ViewsRequest,
    request: Request,
    response: Response,
    key: Key,
    prefer: Annotated[
        str | None, Header(description="wait or wait=SECONDS: answer when the job has ended, 60 s at most.")
    ] = None,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Row:
    """Queue a job."""
    queue: JobQueue = request.app.state.queue
    gate: Gate = request.app.state.gate
    fields = body.model_dump(exclude_none=True)
    refuse_surrogates(fields)
    webhook = _webhook(fields)
    wanted, pictures = await run_in_threadpool(read_request, fields, queue.storage, 100)
    if idempotency_key and body.seed is None:  # a repeated request must be the same request
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
            )

    job = await run_in_threadpool(accept)
    taken(request)
    seconds = _wait(prefer)
    if seconds:
        job = await wait_for(queue, job, seconds)
        response.headers["Preference-Applied"] = "wait"
    if job["status"] not in ("queued", "processing"):
        response.status_code = 200
    response.headers["Location"] = f"/v1/jobs/{job['id']}"
    return await run_in_threadpool(present, job, queue)


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
    prefer: Annotated[str | None, Header(description="wait or wait=SECONDS, as for POST /v1/views.")] = None,
) -> Row:
    """Queue a job that makes further files of a finished one's object, without running the engine again."""
    queue: JobQueue = request.app.state.queue
    gate: Gate = request.app.state.gate

    def accept() -> Row:
        before = _job(queue, job_id, key)
        scene = scene_of(before)
        if scene is None:
            raise InvalidRequest(
                "This job has no kept object.",
                hint="It has not succeeded, its engine has no geometry, or it made further files itself.",
                field="job_id",
            )
        fields = body.model_dump(exclude_none=True)
        refuse_surrogates(fields)
        wanted = read_files_request(fields, json.loads(before["request"]), scene)
        webhook = _webhook(fields)
        with gate.admitted(key):
            return queue.submit(wanted, key["id"], webhook=webhook, track_id=body.track_id, priority=body.priority)

    job = await run_in_threadpool(accept)
    seconds = _wait(prefer)
    if seconds:
        job = await wait_for(queue, job, seconds)
        response.headers["Preference-Applied"] = "wait"
    if job["status"] not in ("queued", "processing"):
        response.status_code = 200
    response.headers["Location"] = f"/v1/jobs/{job['id']}"
    return await run_in_threadpool(present, job, queue)


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
    return present(_job(queue, job_id, key), queue)


@router.delete("/jobs/{job_id}", status_code=204, responses=PROBLEMS)
def delete_job(job_id: int, request: Request, key: Key) -> None:
    """Cancel a job that waits or runs; delete one that has ended, with its files."""
    queue: JobQueue = request.app.state.queue
    job = _job(queue, job_id, key)
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
    await run_in_threadpool(_job, queue, job_id, key)

    async def stream() -> AsyncIterator[str]:
        last: tuple[Any, ...] = ()
        spoke = time.monotonic()
        while not await request.is_disconnected():
            job = await run_in_threadpool(queue.records.job, job_id)
            if job is None:
                return
            if job["status"] not in ("queued", "processing"):
                yield f"event: done\ndata: {json.dumps(await run_in_threadpool(present, job, queue))}\n\n"
                return
            place = await run_in_threadpool(queue.position, job)
            now = (job["status"], job["progress"], job["stage"], place, len(json.loads(job["files"])))
            if now != last:
                last, spoke = now, time.monotonic()
                data = {"status": now[0], "percent": round(100 * now[1], 1), "stage": now[2]}
                data |= {"position": now[3], "files": now[4]}
                data["eta"] = await run_in_threadpool(queue.eta_of, job)
                yield f"event: progress\ndata: {json.dumps(data)}\n\n"
            elif time.monotonic() - spoke > 15:
                spoke = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(
        stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


@router.get("/jobs/{job_id}/webhooks", response_model=list[DeliveryModel], responses=PROBLEMS)
def list_deliveries(job_id: int, request: Request, key: Key) -> list[Row]:
    """The delivery log of a job's webhook."""
    queue: JobQueue = request.app.state.queue
    return queue.records.deliveries_of(_job(queue, job_id, key)["id"])


@router.post("/jobs/{job_id}/webhooks", status_code=202, responses=PROBLEMS)
def redeliver(job_id: int, request: Request, key: Key) -> Row:
    """Send the webhook again, with the same event id."""
    queue: JobQueue = request.app.state.queue
    job = _job(queue, job_id, key)
    if not job["webhook"]:
        raise InvalidRequest("This job has no webhook.", field="webhook")
    if job["status"] in ("queued", "processing"):
        raise InvalidRequest("This job has not ended yet.", hint="Its webhook is sent when it does.")
    attempt = 1 + max((d["attempt"] for d in queue.records.deliveries_of(job_id)), default=0)
    queue.announce(job, attempt)
    return {"event": f"evt_{job['uid']}", "attempt": attempt}


_UPLOAD: Row = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}}
            },
            "application/json": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}},
                "example": {"image": "data:image/png;base64,…"},
            },
        },
    }
}


@router.post("/images", status_code=201, response_model=UploadModel, responses=PROBLEMS, openapi_extra=_UPLOAD)
async def upload_image(request: Request, key: Key) -> Row:
    """Store a picture: a multipart part or JSON field named ``image``, or the raw bytes of an ``image/*`` body."""
    queue: JobQueue = request.app.state.queue
    if request.headers.get("content-type", "").lower().startswith(("image/", "application/octet-stream")):
        image: object = await request.body()
    else:
        image = (await read_body(request)).get("image")
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
