"""The hosted service's calls about the server itself, and those for which there is nothing here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ..engines import engine_names
from ..jobs.queue import JobQueue
from ..operations.base import KeyBody
from . import hosted
from .v5 import answer, entered

router = APIRouter(tags=["Hosted API"])
_LOAD = hosted.described(KeyBody, hosted.Load, {"key": "ov_…"})


@router.post("/api/v3/system_load", summary="Queue length (hosted contract)", **_LOAD)
@router.post("/api/v1/enterprise/system_details", summary="Models and queue (hosted contract)", **_LOAD)
@router.post("/api/v1/enterprise/image_editing/system_details", include_in_schema=False)
@router.post("/api/v1/enterprise/3d/system_details", include_in_schema=False)
async def system_load(request: Request) -> JSONResponse:
    """How many requests wait, and for how many seconds."""
    queue: JobQueue = request.app.state.queue
    await entered(request)
    waiting = await run_in_threadpool(queue.records.waiting)
    seconds = queue.eta(waiting - 1, "lift") if waiting else 0
    if request.url.path.endswith("system_details"):
        return answer(request, {"model_count": len(engine_names()), "queue_time": seconds, "status": "ok"})
    return answer(request, {"queue_num": waiting, "queue_time": seconds, "status": "ok"})


_TOLD = hosted.described(KeyBody, hosted.Told, {"key": "ov_…"})


def _told(text: str) -> dict[str, str]:
    return {"status": "ok", "messege": text, "message": text}


async def nothing_to_do(request: Request) -> JSONResponse:
    """Asked for by owners of a rented server: there is nothing to do here."""
    await entered(request)
    return answer(request, _told("there is nothing to do on a server of your own"))


async def clear_queue(request: Request) -> JSONResponse:
    """Cancel the key's own jobs that wait."""
    queue: JobQueue = request.app.state.queue
    _, key = await entered(request)

    def cancel() -> int:
        return sum(queue.cancel(job) for job in queue.records.queued(key["id"]))

    return answer(request, _told(f"waiting jobs cancelled: {await run_in_threadpool(cancel)}"))


for place in ("", "/image_editing", "/3d"):
    for name in ("restart_server", "update", "update_server", "clear_cache", "clear_queue"):
        own = name == "clear_queue"
        router.add_api_route(
            f"/api/v1/enterprise{place}/{name}",
            clear_queue if own else nothing_to_do,
            methods=["POST"],
            summary=f"{'Cancel waiting jobs' if own else 'Nothing'} (hosted contract)",
            include_in_schema=not place and name in ("restart_server", "clear_queue"),
            **_TOLD,
        )


_INSTEAD = "Make the picture elsewhere; then send it to multiview, image_to_3d, removebg_mask or super_resolution."
_EDITING = ("/api/v5", "/api/v6/image_editing", "/api/v1/image_editing", "/api/v1/enterprise/image_editing")
_MENU = ["outpaint", "blip_diffusion", "magic_mix", "depth2img", "pix2pix", "img_mixer", "mixture_canvas", "fashion"]
NOT_OFFERED: dict[str, tuple[str, ...]] = {
    "text2img": ("/api/v3", "/api/v6/images", "/api/v6/realtime", "/api/v1/enterprise"),
    "img2img": ("/api/v3", "/api/v6/images", "/api/v6/realtime", "/api/v1/enterprise"),
    "inpaint": ("/api/v3", "/api/v6/images", *_EDITING),
    "txt_to_3d": ("/api/v3",),
    "text_to_3d": ("/api/v6/3d", "/api/v1/enterprise/3d"),
    **dict.fromkeys(_MENU, _EDITING),
}
"""Operations of the hosted service that draw from text, and where they stood."""


def refusal(name: str) -> Callable[[Request], Awaitable[JSONResponse]]:
    """The endpoint that says of an operation that it is not here, and what is."""

    async def refuse(request: Request) -> JSONResponse:
        text = f"{name} is not offered here: it draws from text, and orbitview works from pictures."
        told = {"status": "failed", "id": "", "messege": text, "message": text, "tip": _INSTEAD, "output": ""}
        return answer(request, told, 501)

    return refuse


for name, places in NOT_OFFERED.items():
    for place in places:
        router.add_api_route(f"{place}/{name}", refusal(name), methods=["POST"], include_in_schema=False)
