"""The command line: ``orbitview generate``, ``engines``, ``doctor``."""

from __future__ import annotations

import contextlib
import glob
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import __version__
from .cameras import DEFAULT_FOV, DEFAULT_RIG, RIGS, Camera
from .commands import engines_app, keys_app
from .errors import InvalidRequest, OrbitviewError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="One picture of an object in, the object from every side out.",
)
app.add_typer(engines_app, name="engines")
app.add_typer(keys_app, name="keys")
console = Console(stderr=True)
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}


@app.command()
def generate(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or globs.", metavar="IMAGE...")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results; several pictures get one folder each.")
    ] = Path("orbitview-output"),
    rig: Annotated[str, typer.Option(help="Named cameras: " + ", ".join(RIGS) + ".")] = DEFAULT_RIG,
    camera: Annotated[
        list[str] | None, typer.Option(help="One camera as azimuth,elevation[,distance[,fov]]; may be given again.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of each view in pixels.")] = 320,
    engine: Annotated[str, typer.Option(help="Engine name; see: orbitview engines.")] = "auto",
    background: Annotated[
        str, typer.Option(help="Of grid and turntable: white, grey, transparent, any colour.")
    ] = "white",
    matte: Annotated[str, typer.Option(help="auto, alpha or none.")] = "auto",
    elevation: Annotated[
        float | None, typer.Option(help="Of the input picture's camera in degrees, if you know it.")
    ] = None,
    turntable: Annotated[
        bool, typer.Option("--turntable", help="Also an animated WebP, an MP4 and a GIF of the object turning.")
    ] = False,
    turntable_size: Annotated[int, typer.Option(help="Side of the turntable in pixels.")] = 512,
    glb: Annotated[bool, typer.Option("--glb", help="Also the textured mesh.")] = False,
    zip_: Annotated[bool, typer.Option("--zip", help="Also everything in one zip.")] = False,
    seed: Annotated[int | None, typer.Option(help="Same seed, same views.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, or looks at the picture (lift: 1 to 6).")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale, for engines that take it.")] = None,
    prompt: Annotated[str | None, typer.Option(help="For engines that take one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> None:
    """Make views of the object in each picture."""
    from .api import generate as run
    from .outputs import parse_background, save_views, write_format

    paths = list(_pictures(images))
    cameras: str | list[Camera] = [_camera(text) for text in camera] if camera else rig
    parse_background(background)
    results: list[dict[str, Any]] = []
    failed = False
    with _bar(as_json) as track:
        for number, path in enumerate(paths):
            folder = out if len(paths) == 1 else out / path.stem
            try:
                with track(path.name, number, len(paths)) as show:
                    part = partial(_part, show)
                    views = run(
                        path,
                        cameras,
                        engine=engine,
                        size=size,
                        matte=matte,  # type: ignore[arg-type]
                        input_camera=Camera(0, elevation) if elevation is not None else None,
                        seed=seed,
                        num_inference_steps=steps,
                        guidance_scale=guidance,
                        prompt=prompt,
                        progress=part(0.0, 0.5 if turntable or glb else 0.95),
                    )
                    files = save_views(views, folder)
                    side = (640, 960) if len(views) == 6 else (960, 960)
                    files |= write_format(views, "grid", folder, width=side[0], height=side[1], background=background)
                    wanted = (
                        (["turntable", "turntable-mp4", "turntable-gif"] if turntable else [])
                        + ["glb"] * glb
                        + ["zip"] * zip_
                    )
                    for name in wanted:
                        files |= write_format(
                            views,
                            name,
                            folder,
                            background=background,
                            turntable_size=turntable_size,
                            progress=part(0.5, 0.95),
                        )
                results.append({"image": str(path), "meta": views.meta, "files": {k: str(v) for k, v in files.items()}})
                if not as_json:
                    note = f", without effect here: {', '.join(views.meta['ignored'])}" if views.meta["ignored"] else ""
                    meta = views.meta
                    done = f"{path.name}: engine {meta['engine']}, {meta['seconds']} s, seed {meta['seed']}{note}"
                    console.print(f"[green]✓[/] {done}")
                    console.print(f"  {folder / 'grid.png'} and {len(files) - 1} more files", highlight=False)
            except OrbitviewError as error:
                failed = True
                results.append(
                    {"image": str(path), "error": {"code": error.code, "message": error.message, "hint": error.hint}}
                )
                if not as_json:
                    _complain(error, path.name)
    if as_json:
        print(json.dumps(results, indent=1))
    if failed:
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Tell what works on this machine and how to get the rest."""
    import importlib.util

    from .engines import engine_names
    from .engines.registry import load_engine

    def have(module: str) -> bool:
        return importlib.util.find_spec(module) is not None

    rows = [("orbitview", True, __version__), ("Python", True, sys.version.split()[0])]
    rows.append(
        (
            "renderer",
            True,
            "Embree"
            if have("embreex")
            else "NumPy rasteriser (Embree has no wheel for this platform; slower, same pictures)",
        )
    )
    rows.append(("AVIF pictures", _pillow_reads("AVIF"), "comes with Pillow's own wheels"))
    rows.append(("HEIC pictures", have("pillow_heif"), "pip install 'orbitview[heif]'"))
    rows.append(("MP4 turntables", have("av"), "pip install av"))
    rows.append(("training", have("torch"), "pip install 'orbitview[training]' (only to train the embedded network)"))
    for name in engine_names():
        state = load_engine(name).readiness()
        rows.append((f"engine {name}", state.ready, "ready" if state.ready else f"{state.reason}. {state.hint}"))
    table = Table("part", "works", "")
    for part, works, note in rows:
        table.add_row(part, "[green]yes[/]" if works else "[yellow]no[/]", note)
    Console().print(table)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database and the files.")] = None,
    worker: Annotated[bool, typer.Option(help="Also start a worker beside the API.")] = True,
) -> None:
    """Run the server: a drop-in for the hosted API, and our own REST under /v1."""
    from .config import Settings
    from .server.run import serve as run

    given = {"host": host, "port": port, "data_dir": data_dir}
    run(Settings(**{k: v for k, v in given.items() if v is not None}), worker)  # type: ignore[arg-type]


@app.command()
def worker() -> None:
    """Run jobs of a server (for a fleet: ORBITVIEW_DATABASE_URL and a name of its own in ORBITVIEW_WORKER)."""
    from .config import Settings
    from .jobs.worker import run

    run(Settings())


@app.command()
def mcp(
    allow: Annotated[
        list[Path] | None, typer.Option(help="Folder from which pictures may be read; may be given again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results; by default a temporary one.")] = None,
    server: Annotated[str | None, typer.Option(help="Use this orbitview server instead of this process.")] = None,
    api_key: Annotated[str | None, typer.Option(help="For --server.", envvar="ORBITVIEW_API_KEY")] = None,
) -> None:
    """Tools for agents over stdin and stdout (Model Context Protocol)."""
    import importlib.util
    import os

    if importlib.util.find_spec("mcp") is None:
        raise InvalidRequest("The MCP server is not installed.", hint="Run: pip install 'orbitview[mcp]'.")
    from .mcp.server import run_stdio

    run_stdio(allow or [], out, server, api_key, os.environ.get("ORBITVIEW_ALLOW_HOSTS", ""))


def _pillow_reads(kind: str) -> bool:
    from PIL import Image

    Image.init()
    return kind in Image.OPEN


def _pictures(arguments: list[str]) -> Iterator[Path]:
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        elif path.exists() or not glob.has_magic(argument):
            found = [path]
        else:
            found = sorted(Path(p) for p in glob.glob(argument, recursive=True))
        if not found:
            raise InvalidRequest(
                f"There are no pictures in {argument}.",
                hint="Name pictures, a folder of pictures, or a glob.",
                field="image",
            )
        yield from found


def _camera(text: str) -> Camera:
    try:
        numbers = [float(part) for part in text.split(",")]
        azimuth, elevation = numbers[:2]
    except ValueError as error:
        raise InvalidRequest(
            f"{text!r} is not a camera.",
            hint="Write azimuth,elevation[,distance[,fov]], for instance 45,20.",
            field="cameras",
        ) from error
    return Camera(
        azimuth, elevation, numbers[2] if len(numbers) > 2 else None, numbers[3] if len(numbers) > 3 else DEFAULT_FOV
    )


def _part(show: Callable[[float, str], None], low: float, high: float) -> Callable[[float, str], None]:
    """A progress callback that fills the bar from ``low`` to ``high``."""
    return lambda share, stage: show(low + (high - low) * share, stage)


Track = Callable[[str, int, int], contextlib.AbstractContextManager[Callable[[float, str], None]]]


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[Track]:
    """A progress bar over all pictures; nothing where JSON is printed."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0)

        @contextlib.contextmanager
        def track(name: str, number: int, count: int) -> Iterator[Callable[[float, str], None]]:
            def update(share: float, stage: str) -> None:
                bar.update(task, completed=(number + share) / count, description=f"{name}: {stage}")

            yield update
            bar.update(task, completed=(number + 1) / count)

        yield track


def _complain(error: OrbitviewError, where: str = "") -> None:
    console.print(f"[red]error[/]{' in ' + where if where else ''}: {error.message}", highlight=False, markup=True)
    if error.hint:
        console.print(f"  {error.hint}", highlight=False, markup=False)


def main() -> None:
    """Entry point: errors that a user can cause end as one sentence and a hint, exit code 1 (2 for bad usage)."""
    try:
        app()
    except OrbitviewError as error:
        _complain(error)
        sys.exit(2 if isinstance(error, InvalidRequest) else 1)
    except KeyboardInterrupt:
        console.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
