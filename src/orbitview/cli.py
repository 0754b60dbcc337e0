"""The command line: ``orbitview generate``, ``engines``, ``doctor``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .cameras import DEFAULT_RIG, RIGS, Camera
from .commands import engines_app, keys_app
from .commands.console import complain, say, show_table
from .commands.parameters import (
    AsJson,
    Background,
    Faces,
    Force,
    Formats,
    FrameEnding,
    FrameName,
    Frames,
    Glb,
    Height,
    Length,
    Seconds,
    Start,
    Texture,
    TurnDirection,
    TurnEasing,
    TurnElevation,
    Turntable,
    TurntableSize,
    Width,
    Zip,
)
from .commands.stills import cutout, upscale
from .errors import EngineUnavailable, InvalidRequest, OrbitviewError
from .install import how_to_install

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # else file names and options with brackets in them are eaten as markup
    help="One picture of an object in, the object from every side out.",
)
app.add_typer(engines_app, name="engines")
app.add_typer(keys_app, name="keys")


@app.command()
def generate(
    images: Annotated[
        list[str], typer.Argument(help="Pictures, folders of pictures, globs, or - for stdin.", metavar="IMAGE...")
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="The same object from another side, as PICTURE@AZIMUTH (back.jpg@180, right.jpg@90), or without "
            "@ for: find it. May be given again.",
            metavar="PICTURE[@AZIMUTH]",
        ),
    ] = None,
    split: Annotated[
        bool, typer.Option("--split", help="The picture is a character sheet: its figures are one object.")
    ] = False,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results; several pictures get one each in it. - is stdout."),
    ] = Path("orbitview-output"),
    rig: Annotated[str, typer.Option(help="Named cameras: " + ", ".join(RIGS) + ".")] = DEFAULT_RIG,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            help="One camera as azimuth,elevation[,distance[,fov]] or azimuth,elevation,ortho[=scale]; "
            "may be given again."
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of each view in pixels.")] = 320,
    engine: Annotated[str, typer.Option(help="Engine name; see: orbitview engines.")] = "auto",
    matte: Annotated[str, typer.Option(help="auto, alpha or none.")] = "auto",
    elevation: Annotated[
        float | None, typer.Option(help="Of the input picture's camera in degrees, if you know it.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same views.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps, or looks at the picture (lift: 1 or 2).")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale, for engines that take it.")] = None,
    prompt: Annotated[str | None, typer.Option(help="For engines that take one.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="For engines that take one.")] = None,
    format_: Formats = None,
    turntable: Turntable = False,
    glb: Glb = False,
    zip_: Zip = False,
    background: Background = "white",
    turntable_size: TurntableSize = 512,
    frames: Frames = 36,
    seconds: Seconds = 2.0,
    turn_elevation: TurnElevation = None,
    start: Start = 0.0,
    direction: TurnDirection = "clockwise",
    easing: TurnEasing = "linear",
    frame_type: FrameEnding = "jpg",
    frame_name: FrameName = "",
    height: Height = None,
    width: Width = None,
    length: Length = None,
    faces: Faces = None,
    texture: Texture = None,
    force: Force = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Skip pictures whose results, asked for in the same way, are there.")
    ] = False,
    keep_scene: Annotated[
        bool, typer.Option(help="Leave the object itself beside the results, for: orbitview convert.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Make views of the object in each picture."""
    from .commands.generate import Batch, parse_camera, wanted_formats
    from .commands.pictures import find_pictures, other_picture

    batch = Batch(
        out,
        {
            "cameras": [parse_camera(text) for text in camera] if camera else rig,
            "engine": engine,
            "size": size,
            "matte": matte,
            "input_camera": Camera(0, elevation) if elevation is not None else None,
            "seed": seed,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "prompt": prompt,
            "negative_prompt": negative_prompt,
        },
        wanted_formats(format_ or [], {"turntable": turntable, "glb": glb, "zip": zip_}),
        _file_options(locals()),
        force=force,
        skip_existing=skip_existing,
        keep_scene=keep_scene,
        as_json=as_json,
        also=[other_picture(text) for text in also or []],
        split=split,
    )
    paths = find_pictures(images)
    batch.check(len(paths))
    batch.finish(batch.run(paths))


@app.command()
def convert(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results.", metavar="DIR...")],
    format_: Formats = None,
    turntable: Turntable = False,
    glb: Glb = False,
    zip_: Zip = False,
    background: Background = "white",
    turntable_size: TurntableSize = 512,
    frames: Frames = 36,
    seconds: Seconds = 2.0,
    turn_elevation: TurnElevation = None,
    start: Start = 0.0,
    direction: TurnDirection = "clockwise",
    easing: TurnEasing = "linear",
    frame_type: FrameEnding = "jpg",
    frame_name: FrameName = "",
    height: Height = None,
    width: Width = None,
    length: Length = None,
    faces: Faces = None,
    texture: Texture = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make further files of finished results, without running the engine again."""
    from .commands.convert import convert as run
    from .commands.generate import wanted_formats

    run(
        folders,
        wanted_formats(format_ or [], {"turntable": turntable, "glb": glb, "zip": zip_}),
        _file_options(locals()),
        force=force,
        as_json=as_json,
    )


app.command()(upscale)
app.command()(cutout)


@app.command()
def doctor() -> None:
    """Tell what works on this machine and how to get the rest."""
    import importlib.util

    from .engines import engine_names
    from .engines.registry import load_engine
    from .images import upscale_ready

    def have(module: str) -> bool:
        return importlib.util.find_spec(module) is not None

    def part(name: str, works: bool, otherwise: str) -> tuple[str, bool, str]:
        return name, works, "" if works else otherwise

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
    rows.append(part("AVIF pictures", _pillow_reads("AVIF"), "comes with Pillow's own wheels"))
    rows.append(part("HEIC pictures", have("pillow_heif"), how_to_install("heif")))
    rows.append(part("MP4 turntables", have("av"), "pip install av"))
    rows.append(part("3D print (stl, 3mf)", have("manifold3d"), "pip install manifold3d"))
    missing = upscale_ready("realesrgan-x4plus")
    rows.append(part("Real-ESRGAN", missing is None, missing or ""))
    rows.append(part("alpha matting", have("pymatting"), how_to_install("matting")))
    rows.append(part("training", have("torch"), how_to_install("training") + "; only to train the embedded networks"))
    for name in engine_names():
        state = load_engine(name).readiness()
        rows.append((f"engine {name}", state.ready, "ready" if state.ready else f"{state.reason}. {state.hint}"))
    show_table("part", "works", "", rows=[(part, "yes" if works else "no", note) for part, works, note in rows])


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database and the files.")] = None,
    worker: Annotated[bool, typer.Option(help="Also start a worker beside the API.")] = True,
) -> None:
    """Run the server: a drop-in for the hosted API, and our own REST under /v1."""
    from .config import load_settings
    from .server.run import serve as run

    run(load_settings(host=host, port=port, data_dir=data_dir), worker)


@app.command()
def worker() -> None:
    """Run jobs of a server (for a fleet: ORBITVIEW_DATABASE_URL and a name of its own in ORBITVIEW_WORKER)."""
    from .config import load_settings
    from .jobs.worker import run

    run(load_settings())


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
        raise InvalidRequest("The MCP server is not installed.", hint=f"Run: {how_to_install('mcp')}.")
    from .mcp.server import run_stdio

    run_stdio(allow or [], out, server, api_key, os.environ.get("ORBITVIEW_ALLOW_HOSTS", ""))


def _file_options(given: dict[str, Any]) -> dict[str, Any]:
    """A command's options of files, by the names that :class:`orbitview.outputs.OutputOptions` has for them."""
    names: tuple[str, ...] = ("background", "turntable_size", "frames", "seconds", "start", "direction", "easing")
    names += ("frame_type", "frame_name", "faces", "texture")
    sides = {f"object_{name}": given[name] for name in ("height", "width", "length")}
    return {name: given[name] for name in names} | sides | {"elevations": tuple(given["turn_elevation"] or (15.0,))}


def _pillow_reads(kind: str) -> bool:
    from PIL import Image

    Image.init()
    return kind in Image.OPEN


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"orbitview {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One picture of an object in, the object from every side out."""


def main() -> None:
    """Entry point: errors that a user can cause end as one sentence and a hint, exit code 1 (2 for bad usage)."""
    try:
        app()
    except OrbitviewError as error:
        complain(error)
        sys.exit(2 if isinstance(error, InvalidRequest | EngineUnavailable) else 1)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
