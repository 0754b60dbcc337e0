"""The playground at ``/``, its files, and the page that shows a GLB in 3D."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse

from ..config import Settings
from ..jobs.queue import JobQueue
from ..storage import kind_of

WEB = Path(__file__).parent / "web"
router = APIRouter(include_in_schema=False)


def page_policy(settings: Settings) -> str:
    """Content-Security-Policy of the playground: our own files, and pictures from where results are kept."""
    kept = settings.files_url or settings.s3_endpoint or ("https://*.amazonaws.com" if settings.storage_url else "")
    parts = urlsplit(kept)
    files = f" {parts.scheme}://{parts.netloc}" if kept else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{files}; "
        "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


VIEWER_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:; frame-ancestors 'self'"
)
"""The viewer's scripts are inline, so it gets an origin of its own and no way out."""


VIEWER_LOOKS = {
    "scene.background=new THREE.Color(0xffffff);": "",
    "{antialias:true}": "{antialias:true,alpha:true}",
    "renderer.setPixelRatio(": "renderer.outputEncoding=THREE.sRGBEncoding;renderer.setPixelRatio(",
    "THREE.DirectionalLight(0xffffff,1.75);": "THREE.DirectionalLight(0xffffff,0.4);"
    "scene.add(new THREE.AmbientLight(0xffffff,0.75));",
    "margin: 0px;": "margin: 0px; background: radial-gradient(circle at 50% 38%, #fff, #dfe4ec);",
}
"""trimesh's page is lit for engineering models; ours are pictures already lit: mostly flat light, true colours."""


@cache
def _index(local: bool) -> str:
    return (WEB / "index.html").read_text("utf-8").replace("{{local}}", "yes" if local else "no")


@router.get("/")
def playground(request: Request) -> HTMLResponse:
    """The page."""
    queue: JobQueue = request.app.state.queue
    headers = {
        "Content-Security-Policy": page_policy(queue.settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(_index(queue.storage.local), headers=headers)


@router.get("/web/{name:path}")
def asset(name: str) -> Response:
    """A file of the page."""
    path = (WEB / name).resolve()
    if not path.is_relative_to(WEB) or not path.is_file() or path.suffix == ".html":
        return PlainTextResponse("not found", 404)
    kind = {".js": "text/javascript"}.get(path.suffix) or kind_of(name)
    return FileResponse(
        path, media_type=kind, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    )


@router.get("/viewer/{prefix}")
def viewer(prefix: str, request: Request) -> Response:
    """A self-contained page with a job's mesh, for the playground's frame; as unguessable as the mesh's own link."""
    queue: JobQueue = request.app.state.queue
    stored = queue.storage.get(f"generations/{prefix}/object.glb") if len(prefix) == 36 else None
    if stored is None:
        return PlainTextResponse("not found", 404)
    import trimesh
    from trimesh.viewer import scene_to_html

    scene = trimesh.load_scene(io.BytesIO(stored.data), file_type="glb")
    scene.set_camera(angles=(-0.25, 0.5, 0), distance=1.9, center=scene.centroid, fov=(35, 35))
    page = scene_to_html(scene)
    for theirs, ours in VIEWER_LOOKS.items():
        page = page.replace(theirs, ours)
    return HTMLResponse(page, headers={"Content-Security-Policy": VIEWER_POLICY})
