"""The application: routes, files, health, metrics, limits, errors."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..config import Settings
from ..errors import InvalidRequest, OrbitviewError
from ..jobs.queue import JobQueue
from ..logs import get_logger
from ..storage import KEPT
from . import pages, v1, v5
from .auth import Gate
from .metrics import Metrics
from .requests import BadFields

log = get_logger("orbitview.api")


class BodyLimit:
    """Refuses bodies over a size, whether they announce it or not."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.most:
            await self._refuse(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.most:
                raise HTTPException(413, f"The body has more than {self.most // 2**20} MB.")
            return message

        await self.app(scope, counted, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"The body has more than {self.most // 2**20} MB."
        hosted = scope["path"].startswith("/api/")
        body = (
            {"status": "error", "message": text}
            if hosted
            else {"type": "urn:orbitview:too_large", "title": "too large", "status": 413, "detail": text}
        )
        await JSONResponse(body, 413, media_type="application/json" if hosted else "application/problem+json")(
            scope, receive, send
        )


def create_app(settings: Settings) -> FastAPI:
    """The server for these settings; jobs are run by workers, not here."""

    endpoint = _mcp_endpoint(settings)

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.queue = await run_in_threadpool(JobQueue, settings)
        app.state.gate = Gate(app.state.queue)
        app.state.metrics = Metrics(app.state.queue)
        async with endpoint.lifespan() if endpoint else contextlib.nullcontext():
            yield
        await run_in_threadpool(app.state.queue.close)

    app: FastAPI = FastAPIOffline(
        title="orbitview",
        version=__version__,
        summary="One picture of an object in, the object from every side out.",
        lifespan=life,
    )
    app.include_router(v5.router)
    app.include_router(v1.router)
    app.include_router(pages.router)
    app.add_middleware(BodyLimit, most=settings.max_body_mb * 2**20)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[o.strip() for o in settings.cors_origins.split(",")],
            allow_methods=["*"],
            allow_headers=["*"],
        )
    if endpoint:
        app.mount("/mcp", endpoint)
    _files(app)
    _operations(app)
    _errors(app)
    return app


def _mcp_endpoint(settings: Settings) -> Any:
    """The tools for agents, where the [mcp] extra is installed."""
    if importlib.util.find_spec("mcp") is None:
        return None
    from ..mcp.mount import McpEndpoint

    return McpEndpoint(settings)


def _files(app: FastAPI) -> None:
    async def file(request: Request, path: str) -> Response:
        """A stored file, at the unguessable address that its job gave."""
        queue: JobQueue = request.app.state.queue
        key = request.url.path.lstrip("/")
        if not queue.storage.local or ".." in key:
            return PlainTextResponse("not found", 404)
        stored = await run_in_threadpool(queue.storage.get, key)
        if stored is None:
            return PlainTextResponse("not found", 404)
        tag = f'"{hashlib.sha256(stored.data).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": KEPT, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        span = _range(request.headers.get("range"), len(stored.data))
        if span == "bad":
            return Response(None, 416, headers | {"Content-Range": f"bytes */{len(stored.data)}"})
        if isinstance(span, tuple):
            low, high = span
            headers["Content-Range"] = f"bytes {low}-{high}/{len(stored.data)}"
            return Response(stored.data[low : high + 1], 206, headers, media_type=stored.kind)
        return Response(stored.data, 200, headers, media_type=stored.kind)

    for prefix in ("generations", "uploads"):
        app.add_api_route(f"/{prefix}/{{path:path}}", file, methods=["GET", "HEAD"], include_in_schema=False)


def _range(header: str | None, size: int) -> tuple[int, int] | str | None:
    """First and last byte of a single range; None to send all; "bad" where it cannot be met."""
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header[6:].strip().partition("-")
    if not dash or not (first + last).isdigit():
        return None
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else "bad"
    low, high = int(first), min(int(last) if last else size - 1, size - 1)
    return (low, high) if low <= high else "bad"


def _operations(app: FastAPI) -> None:
    @app.get("/healthz", tags=["Operations"], response_class=PlainTextResponse)
    async def healthz() -> str:
        """The process is up."""
        return "ok"

    @app.get(
        "/readyz", tags=["Operations"], response_class=PlainTextResponse, responses={503: {"description": "Not ready"}}
    )
    async def readyz(request: Request) -> Response:
        """The database answers."""
        try:
            await run_in_threadpool(request.app.state.queue.records.waiting)
        except sa.exc.SQLAlchemyError:
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ok")

    @app.get("/metrics", tags=["Operations"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Prometheus metrics, read off the tables: for a whole fleet from any of its servers."""
        text = await run_in_threadpool(request.app.state.metrics.text)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _errors(app: FastAPI) -> None:
    def shaped(request: Request, error: OrbitviewError) -> JSONResponse:
        if request.url.path.startswith("/api/"):
            return v5.answer(request, v5.vendor_error(error), error.status)
        return v1.problem(error)

    @app.exception_handler(OrbitviewError)
    async def ours(request: Request, error: OrbitviewError) -> JSONResponse:
        return shaped(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields: dict[str, list[str]] = {}
        for entry in error.errors():
            where = ".".join(str(p) for p in entry["loc"] if p not in ("body", "query", "path", "header")) or "body"
            fields.setdefault(where, []).append(str(entry["msg"]))
        return shaped(request, BadFields(fields))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        known = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
        wrapped = InvalidRequest(str(error.detail))
        wrapped.code, wrapped.status = known.get(error.status_code, "invalid_request"), error.status_code
        answer = shaped(request, wrapped)
        if request.url.path.startswith("/api/") and error.status_code in (404, 405, 413):
            answer.status_code = error.status_code
        answer.headers.update(error.headers or {})
        return answer

    @app.middleware("http")
    async def unexpected(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
        try:
            return await following(request)
        except Exception:
            log.exception("unexpected error", path=request.url.path)
            body: dict[str, Any] = {"status": "failed", "id": "", "message": "Failed, Try Again", "output": ""}
            if request.url.path.startswith("/api/"):
                return JSONResponse(body, 500)
            return JSONResponse(
                {
                    "type": "urn:orbitview:internal",
                    "title": "internal",
                    "status": 500,
                    "detail": "Something broke here; it is in the server's log.",
                },
                500,
                media_type="application/problem+json",
            )
