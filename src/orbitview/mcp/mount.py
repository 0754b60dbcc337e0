"""The tools at ``/mcp`` of ``orbitview serve``, behind the same keys (streamable HTTP)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ..config import Settings
from ..server.auth import Unauthorized
from .backends import OnServer
from .server import build


def _key_of(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    return header[7:].strip() if header[:7].lower() == "bearer " else request.headers.get("x-api-key")


def _names(settings: Settings) -> TransportSecuritySettings | None:
    """The names that a server on loopback answers to: its own, and the public one of the proxy before it."""
    if not settings.on_loopback:
        return None
    public = urlsplit(settings.base_url)
    hosts = ["127.0.0.1:*", "localhost:*", "[::1]:*", public.netloc, f"{public.hostname}:*"]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    )


class McpEndpoint:
    """An ASGI application; ``lifespan`` runs its sessions."""

    def __init__(self, settings: Settings) -> None:
        own = f"http://127.0.0.1:{settings.port}" if settings.host in ("0.0.0.0", "::") else settings.base_url

        def backend(ctx: Context[Any, Any]) -> OnServer:
            request = ctx.request_context.request
            return OnServer(own, _key_of(request) if isinstance(request, Request) else None)

        self._server = build(backend, [], jobs=True)
        self._app = self._server.streamable_http_app(
            streamable_http_path="/mcp",
            max_request_body_size=settings.max_body_mb * 2**20,
            host=settings.host,
            transport_security=_names(settings),
        )

    def lifespan(self) -> Any:
        """Context manager that keeps sessions going."""
        return self._server.session_manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            try:
                await run_in_threadpool(request.app.state.gate.enter, request)
            except Unauthorized as error:
                from ..server.problems import problem

                await problem(error)(scope, receive, send)
                return
        await self._app({**scope, "path": "/mcp", "root_path": "", "raw_path": b"/mcp"}, receive, send)
