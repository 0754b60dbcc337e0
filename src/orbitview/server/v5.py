"""The hosted service's routes, answered field for field."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ..errors import InvalidRequest, OrbitviewError
from ..jobs.answers import fetch_answer
from ..jobs.queue import Busy, JobQueue
from . import hosted
from .auth import Unauthorized
from .requests import BadFields, read_request, refuse_surrogates, whole_number
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
VIEW_PATHS = (
    "/api/v5/multiview",
    "/api/v6/image_editing/multiview",
    "/api/v6/images/multiview",
    "/api/v1/image_editing/multiview",
    "/api/v1/enterprise/multiview",
    "/api/v1/enterprise/image_editing/multiview",
)
_NONE = "There is no such request."
_TIP = (
    "1. Make sure you are passing Content-Type: application/json in header. "
    "2. Make sure you are doing POST request with valid JSON."
)


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_body(request: Request) -> Row:
    """JSON, form or multipart as one flat dictionary; uploaded parts as bytes.

    Raises:
        InvalidRequest: it is none of these.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        try:
            form = await request.form(max_part_size=64 * 2**20)
        except OrbitviewError:
            raise
        except Exception as error:
            raise InvalidRequest("The form cannot be read.", hint=_TIP) from error
        body: Row = {}
        for name, value in form.multi_items():
            content: Any = await value.read() if isinstance(value, UploadFile) else value
            if name == "image" and name in body:  # several parts of one name are several pictures
                content = [*(body[name] if isinstance(body[name], list) else [body[name]]), content]
            body[name] = content
        for name in ("cameras", "formats", "images", "image"):
            if isinstance(body.get(name), str) and body[name].lstrip().startswith("["):
                try:
                    body[name] = json.loads(body[name])
                except (ValueError, RecursionError) as error:
                    raise BadFields({name: [f"The {name} field is not valid JSON."]}) from error
        return body
    raw = bytearray()
    async for part in request.stream():
        raw += part
    if not raw.strip():
        return {}
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON.", hint=_TIP) from error
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object.", hint=_TIP)
    if _HALF.search(raw):
        refuse_surrogates(parsed)
    return parsed


def answer(request: Request, body: Row, status: int = 200) -> JSONResponse:
    """HTTP 200 whatever happened, as old clients expect, unless real status codes are on."""
    queue: JobQueue = request.app.state.queue
    return JSONResponse(body, status if queue.settings.real_status else 200)


def vendor_error(error: OrbitviewError) -> Row:
    """An error in the hosted service's words, and in its misspelling beside them: some clients read no other."""
    message: object = error.message
    more: Row = {}
    if isinstance(error, BadFields):
        message = error.fields
    elif isinstance(error, Busy):
        more = {"tips": error.hint, "retry_after": error.retry_after}
    elif isinstance(error, Unauthorized):
        more = {"tip": _TIP}
    elif error.field:
        message = {error.field: [str(error)]}
    else:
        more = {"tip": error.hint or _TIP}
    return {"status": "error", "messege": message, "message": message, **more}


async def multiview(request: Request) -> JSONResponse:
    """One picture in, one grid of views out."""
    queue: JobQueue = request.app.state.queue
    gate = request.app.state.gate

    def accept(body: Row) -> Row:
        key = gate.enter(request, body.get("key"))
        webhook, track = _webhook(body), body.get("track_id")
        wanted, pictures = read_request(body, queue.storage)
        track = None if track in (None, "") else str(track)
        with gate.admitted(key):
            return queue.submit(wanted, key["id"], pictures=pictures, webhook=webhook, track_id=track)

    job = await run_in_threadpool(accept, await read_body(request))
    taken(request)
    job = await wait_for(queue, job, queue.settings.compatible_wait)
    body = await run_in_threadpool(fetch_answer, job, queue)
    return answer(request, body, 200 if body["status"] in ("success", "processing") else 422)


def _webhook(body: Row) -> str | None:
    url = body.get("webhook")
    if url in (None, ""):
        return None
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://")) or len(url) > 2000:
        raise BadFields({"webhook": ["The webhook field must be an http or https URL."]})
    return url


async def wait_for(queue: JobQueue, job: Row, seconds: float) -> Row:
    """The job's record once it has ended, or after ``seconds``."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while job["status"] in ("queued", "processing") and time.monotonic() < deadline:
        await asyncio.sleep(pause)
        pause = min(0.05, pause * 1.3)
        found = await run_in_threadpool(queue.records.job, job["id"])
        if found is None:
            break
        job = found
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


for path in VIEW_PATHS:
    router.add_api_route(
        path,
        multiview,
        methods=["POST"],
        summary="Six views of an object (hosted contract)",
        **hosted.described(
            hosted.MultiviewBody, hosted.Success | hosted.Processing, {"image": hosted.PICTURE, "prompt": "a chair"}
        ),
    )
for path in FETCH_PATHS:
    router.add_api_route(
        path,
        fetch,
        methods=["POST"],
        summary="The result of a queued request (hosted contract)",
        **hosted.described(hosted.KeyBody, hosted.Success | hosted.Processing, {"key": "ov_…"}),
    )
    router.add_api_route(path, fetch, methods=["GET"], include_in_schema=False)


async def fetch_by_body(request: Request) -> JSONResponse:
    """The job's state, its number told in the body."""
    return await fetch(request)


for path in BODY_FETCH_PATHS:
    router.add_api_route(path, fetch_by_body, methods=["POST"], include_in_schema=False)


_LOAD = hosted.described(hosted.KeyBody, hosted.Load, {"key": "ov_…"})


@router.post("/api/v3/system_load", summary="Queue length (hosted contract)", **_LOAD)
@router.post("/api/v1/enterprise/system_details", summary="Models and queue (hosted contract)", **_LOAD)
async def system_load(request: Request) -> JSONResponse:
    """How many requests wait, and for how many seconds."""
    queue: JobQueue = request.app.state.queue
    body = await read_body(request)
    await run_in_threadpool(request.app.state.gate.enter, request, body.get("key"))
    waiting = await run_in_threadpool(queue.records.waiting)
    seconds = queue.eta(waiting - 1, "lift") if waiting else 0
    if request.url.path.endswith("system_details"):
        from ..engines import engine_names

        return answer(request, {"model_count": len(engine_names()), "queue_time": seconds, "status": "ok"})
    return answer(request, {"queue_num": waiting, "queue_time": seconds, "status": "ok"})


@router.post(
    "/api/v3/base64_crop",
    summary="Upload a picture (hosted contract)",
    **hosted.described(hosted.UploadBody, hosted.Uploaded, {"image": "data:image/png;base64,…", "crop": "no"}),
)
async def base64_crop(request: Request) -> JSONResponse:
    """Store a base64 picture and give its link, squared to its middle where ``crop`` is true."""
    queue: JobQueue = request.app.state.queue
    body = await read_body(request)
    key = await run_in_threadpool(request.app.state.gate.enter, request, body.get("key"))
    if body.get("image") in (None, ""):
        raise BadFields({"image": ["The image field is required."]})
    number, link = await run_in_threadpool(
        store_upload, queue, key["id"], body["image"], str(body.get("crop", "")).lower() in ("true", "yes", "1")
    )
    text = "image uploaded"
    return answer(request, {"status": "success", "messege": text, "message": text, "link": link, "request_id": number})


def store_upload(queue: JobQueue, key_id: str, image: object, crop: bool) -> tuple[int, str]:
    """Decode, normalise to PNG and keep a picture; its number and link."""
    import io

    from ..images import decode_base64, load_image

    picture = load_image(image if isinstance(image, bytes) else decode_base64(image))
    if crop:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    name = f"uploads/{uuid.uuid4()}.png"
    queue.storage.put(name, buffer.getvalue())
    return queue.records.add_upload(key_id, name), queue.storage.link(name)


@router.post(
    "/api/v3/delete_image",
    summary="Delete an uploaded picture (hosted contract)",
    **hosted.described(hosted.DeleteBody, hosted.Deleted, {"request_id": 17}),
)
async def delete_image(request: Request) -> JSONResponse:
    """Forget an upload of one's own."""
    queue: JobQueue = request.app.state.queue
    body = await read_body(request)
    key = await run_in_threadpool(request.app.state.gate.enter, request, body.get("key"))
    number = whole_number(str(body.get("request_id", "")))
    file = await run_in_threadpool(queue.records.take_upload, number, key["id"]) if number is not None else None
    if file is None:
        raise BadFields({"request_id": ["There is no uploaded image with this request_id."]})
    await run_in_threadpool(queue.storage.delete, [file])
    return answer(request, {"status": "success", "messege": "image deleted", "message": "image deleted"})
