"""Files that clients bring without an address of their own, and how they go (hosted contract)."""

from __future__ import annotations

import io
import re
import uuid

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ..errors import InvalidImage, InvalidRequest
from ..images import decode_base64, load_image
from ..jobs.queue import JobQueue
from ..operations.reader import BadFields, Reader, whole_number
from . import hosted
from .turns import taken
from .v5 import answer, entered

router = APIRouter(tags=["Hosted API"])


@router.post(
    "/api/v3/base64_crop",
    summary="Upload a picture (hosted contract)",
    **hosted.described(hosted.UploadBody, hosted.Uploaded, {"image": "data:image/png;base64,…", "crop": "no"}),
)
async def base64_crop(request: Request) -> JSONResponse:
    """Store a base64 picture and give its link, squared to its middle where ``crop`` is true."""
    queue: JobQueue = request.app.state.queue
    body, key = await entered(request)
    if body.get("image") in (None, ""):
        raise BadFields({"image": ["The image field is required."]})
    number, link = await run_in_threadpool(
        store_upload, queue, key["id"], body["image"], str(body.get("crop", "")).lower() in ("true", "yes", "1")
    )
    text = "image uploaded"
    return answer(request, {"status": "success", "messege": text, "message": text, "link": link, "request_id": number})


def store_upload(queue: JobQueue, key_id: str, image: object, crop: bool = False) -> tuple[int, str]:
    """Decode, normalise to PNG and keep a picture; its number and link."""
    picture = load_image(image if isinstance(image, bytes) else decode_base64(image))
    if crop:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=3)
    return _kept(queue, key_id, buffer.getvalue(), "png")


def _kept(queue: JobQueue, key_id: str, data: bytes, ending: str) -> tuple[int, str]:
    queue.storage.check_room()
    name = f"uploads/{uuid.uuid4()}.{ending}"
    queue.storage.put(name, data)
    return queue.records.add_upload(key_id, name), queue.storage.link(name)


async def base64_to_url(request: Request) -> JSONResponse:
    """Store a base64 picture or, as ``init_obj``, a 3D file, and give its link."""
    queue: JobQueue = request.app.state.queue
    body, key = await entered(request)
    names = ("init_image", "base64_string", "image", "init_obj")
    name = next((name for name in names if body.get(name) not in (None, "")), None)
    if name is None:
        wanted = "init_obj" if "/3d/" in request.url.path else "init_image"
        raise BadFields({wanted: [f"The {wanted} field is required."]})
    store = store_object if name == "init_obj" else store_upload
    try:
        number, link = await run_in_threadpool(store, queue, key["id"], body[name])
    except InvalidImage as error:
        raise BadFields({name: [str(error)]}) from error
    taken(request)
    return answer(request, {"status": "success", "id": number, "output": [link]})


STORE_PATHS = (
    "/api/v6/image_editing/base64_to_url",
    "/api/v6/3d/base64_to_url",
    "/api/v6/images/base64_to_url",
    "/api/v6/base64_to_url",
    "/api/v5/base64_to_url",
    "/api/v3/base64_to_url",
    "/api/v1/image_editing/base64_to_url",
    "/api/v1/enterprise/image_editing/base64_to_url",
    "/api/v1/enterprise/3d/base64_to_url",
)
for path in STORE_PATHS:
    router.add_api_route(
        path,
        base64_to_url,
        methods=["POST"],
        summary="Store a file that comes as base64 (hosted contract)",
        description=hosted.also(STORE_PATHS[1:]),
        include_in_schema=path == STORE_PATHS[0],
        **hosted.described(hosted.StoreBody, hosted.StoredFile, {"init_image": "data:image/png;base64,…"}),
    )


def store_object(queue: JobQueue, key_id: str, content: object) -> tuple[int, str]:
    """Keep a 3D file as it is; its number and link.

    Raises:
        InvalidRequest: it is none that is known by its first bytes.
    """
    data = content if isinstance(content, bytes) else decode_base64(content)
    kind = kind_of_object(data)
    if kind is None:
        raise InvalidRequest("This is no 3D file.", hint="Send a GLB, OBJ, PLY or STL as base64.", field="init_obj")
    return _kept(queue, key_id, data, kind)


def kind_of_object(data: bytes) -> str | None:
    """The ending that fits a 3D file's content."""
    if data[:4] == b"glTF":
        return "glb"
    if re.match(rb"ply\r?\n", data):
        return "ply"
    if len(data) >= 84 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little"):
        return "stl"
    head = data[:65536]
    if re.match(rb"\s*solid\b", head) and b"facet" in head:
        return "stl"
    return "obj" if b"\0" not in head and re.search(rb"^v\s+[-+.\d]", head, re.MULTILINE) else None


@router.post(
    "/api/v3/delete_image",
    summary="Delete an uploaded picture (hosted contract)",
    **hosted.described(hosted.DeleteBody, hosted.Deleted, {"request_id": 17}),
)
async def delete_image(request: Request) -> JSONResponse:
    """Forget an upload of one's own."""
    queue: JobQueue = request.app.state.queue
    body, key = await entered(request)
    kind = Reader(body).text("type") or "image"
    if kind not in hosted.KINDS:
        raise BadFields({"type": [f"The type field must be one of {', '.join(hosted.KINDS)}."]})
    number = whole_number(str(body.get("request_id", "")))
    file = (
        await run_in_threadpool(queue.records.take_upload, number, key["id"])
        if number is not None and kind in hosted.STORED
        else None
    )
    if file is None:
        raise BadFields({"request_id": [f"There is no uploaded {kind} with this request_id."]})
    await run_in_threadpool(queue.storage.delete, [file])
    return answer(request, {"status": "success", "messege": "image deleted", "message": "image deleted"})
