"""The tools, on the official SDK."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ImageContent, TextContent
from pydantic import BaseModel, Field

from ..errors import OrbitviewError
from ..formats import Format
from ..images.limits import MOST_PICTURES
from .backends import Backend, InProcess, OnServer, as_base64, resolve_image


class ViewCamera(BaseModel):
    """A camera on an orbit around the object, angles in degrees."""

    azimuth: float = Field(
        description="0 is the picture's own view; 90 is the object's side seen from the camera's right."
    )
    elevation: float = Field(0, ge=-90, le=90)


class MorePicture(BaseModel):
    """Another picture of the same object."""

    image: str = Field(description="Path, http(s) URL, or base64.")
    azimuth: float | None = Field(
        None, description="Degrees relative to the first picture: 180 is the back, 90 the right. None: found."
    )


class Artefact(BaseModel):
    """A file that was made: `path` on this machine, or `url` on a server."""

    name: str
    path: str | None = None
    url: str | None = None


class ViewsResult(BaseModel):
    """What `make_views` made, besides the picture of all views."""

    engine: str
    seed: int
    files: list[Artefact]
    job_id: int | None = None
    ignored: list[str] = Field(default=[], description="Parameters that this engine does not honour.")
    warnings: list[str] = Field(default=[], description="Where several pictures disagree.")


class EngineEntry(BaseModel):
    """An engine."""

    name: str
    summary: str
    licence: str
    features: list[str]
    ready: bool
    hint: str


class EngineList(BaseModel):
    """All engines."""

    engines: list[EngineEntry]


_INSTRUCTIONS = (
    "Turns one picture of a single object into views of it from every side, a turntable, or a textured GLB mesh. "
    "Use make_views; ask for formats=['glb'] for a mesh and formats=['turntable'] for a turning animation. "
    "Pictures with a plain or transparent background work best."
)


def build(backend_of: Callable[[Context[Any, Any]], Backend], allowed: Sequence[Path], *, jobs: bool) -> MCPServer:
    """The server.

    Args:
        backend_of: what does the work for a call.
        allowed: folders from which pictures may be read.
        jobs: whether there are jobs on a server to look up and cancel.
    """
    from importlib.metadata import version

    server = MCPServer("orbitview", instructions=_INSTRUCTIONS, version=version("orbitview"), log_level="WARNING")

    @server.tool()
    async def make_views(
        image: Annotated[
            str, Field(description="Path of a picture (inside the allowed folders), http(s) URL, or base64.")
        ],
        ctx: Context[Any, Any],
        rig: Annotated[
            str,
            Field(
                description="zero123plus-v1.2 (six), zero123plus-v1.1, mvadapter-6 (six, orthographic), sides-4, "
                "syncdreamer-16, orbit-N@elevation"
            ),
        ] = "zero123plus-v1.2",
        cameras: Annotated[
            list[ViewCamera] | None, Field(description="Own cameras instead of a rig.", max_length=64)
        ] = None,
        engine: Annotated[str, Field(description="See list_engines; auto takes the best that is ready.")] = "auto",
        background: Annotated[str, Field(description="white, grey, transparent, a CSS name or #rrggbb.")] = "white",
        formats: Annotated[list[Format], Field(description="More files to make beside the grid picture.")] = [],  # noqa: B006
        elevation: Annotated[
            float | None, Field(description="Of the picture's camera in degrees, if known.", ge=-90, le=90)
        ] = None,
        seed: Annotated[int | None, Field(ge=0)] = None,
        more_images: Annotated[
            list[MorePicture],
            Field(description="The same object from other sides, if there are pictures.", max_length=MOST_PICTURES - 1),
        ] = [],  # noqa: B006
    ) -> Annotated[CallToolResult, ViewsResult]:
        """Show the object in a picture from other sides: returns one grid picture of all views, and files."""
        options: dict[str, Any] = {"rig": rig, "engine": engine, "background": background, "formats": list(formats)}
        if cameras:
            options["cameras"] = [camera.model_dump() for camera in cameras]
        options |= {k: v for k, v in (("elevation", elevation), ("seed", seed)) if v is not None}
        stopped = threading.Event()
        told: list[float] = [-1.0]

        def tell(percent: float, stage: str) -> None:
            if percent >= told[0] + 4 or percent >= 100 > told[0]:
                told[0] = percent
                anyio.from_thread.run(ctx.report_progress, percent, 100, stage)

        try:
            source = resolve_image(image, allowed)
            if more_images:
                options["more"] = [(resolve_image(one.image, allowed), one.azimuth) for one in more_images]
            backend = backend_of(ctx)
            made = await anyio.to_thread.run_sync(
                lambda: backend.make(source, options, tell, stopped), abandon_on_cancel=True
            )
        except OrbitviewError as error:
            raise ToolError(str(error)) from error
        finally:
            stopped.set()
        result = ViewsResult(
            engine=made.meta.get("engine", engine),
            seed=made.meta.get("seed", seed or 0),
            files=[Artefact(**file) for file in made.files],
            job_id=made.job_id,
            ignored=made.meta.get("ignored", []),
            warnings=made.meta.get("warnings", []),
        )
        lines = "\n".join(f"{f.name}: {f.path or f.url}" for f in result.files)
        return CallToolResult(
            content=[
                ImageContent(type="image", data=as_base64(made.grid), mime_type="image/png"),
                TextContent(type="text", text=f"Views by engine {result.engine}, seed {result.seed}. Files:\n{lines}"),
            ],
            structured_content=result.model_dump(),
        )

    @server.tool()
    async def list_engines(ctx: Context[Any, Any]) -> EngineList:
        """List the engines, what each honours and whether it can run here."""
        try:
            found = await anyio.to_thread.run_sync(lambda: backend_of(ctx).engines())
        except OrbitviewError as error:
            raise ToolError(str(error)) from error
        return EngineList(engines=[EngineEntry(**{k: e[k] for k in EngineEntry.model_fields}) for e in found])

    if jobs:
        _job_tools(server, backend_of)
    return server


def _job_tools(server: MCPServer, backend_of: Callable[[Context[Any, Any]], Backend]) -> None:
    def on_server(ctx: Context[Any, Any]) -> OnServer:
        backend = backend_of(ctx)
        assert isinstance(backend, OnServer)
        return backend

    @server.tool()
    async def get_job(job_id: int, ctx: Context[Any, Any]) -> dict[str, Any]:
        """State, progress and files of a job on the server."""
        try:
            return await anyio.to_thread.run_sync(lambda: on_server(ctx).job(job_id))
        except OrbitviewError as error:
            raise ToolError(str(error)) from error

    @server.tool()
    async def cancel_job(job_id: int, ctx: Context[Any, Any]) -> str:
        """Cancel a job that waits or runs; delete one that has ended."""
        try:
            await anyio.to_thread.run_sync(lambda: on_server(ctx).cancel(job_id))
        except OrbitviewError as error:
            raise ToolError(str(error)) from error
        return f"Job {job_id} is cancelled or deleted."


def run_stdio(
    allowed: Sequence[Path], out: Path | None, server_url: str | None, api_key: str | None, allow_hosts: str = ""
) -> None:
    """Serve over stdin and stdout until the client leaves."""
    folders = [folder.expanduser().resolve() for folder in allowed]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    backend: Backend = OnServer(server_url, api_key) if server_url else InProcess(out, allow_hosts)
    build(lambda _: backend, folders, jobs=server_url is not None).run("stdio")
