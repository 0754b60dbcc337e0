"""Everything a view set can be written as, each format under one name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from ..cameras import rig
from ..engines.base import Progress, no_progress
from ..errors import InvalidRequest
from ..views import ViewSet
from .grid import over
from .maps import depth_picture, normal_picture
from .mesh import write_glb
from .poses import transforms_json, views_json
from .turntable import turntable_sheet, write_turntable

TURNTABLE_RIG = "orbit-36@15"


def save_views(
    views: ViewSet, directory: Path, *, background: str = "transparent", maps: bool = True
) -> dict[str, Path]:
    """Write ``view-000.png`` …, their mask, depth and normal maps, ``views.json`` and ``transforms.json``.

    Returns:
        File paths by name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}

    def put(name: str, save: Callable[[Path], object]) -> None:
        save(directory / name)
        written[name] = directory / name

    names = [f"view-{i:03d}.png" for i in range(len(views))]
    for name, view in zip(names, views, strict=True):
        put(name, over(view.image, background).save)
        if maps:
            put(name.replace("view", "mask"), view.mask.save)
            if view.depth is not None:
                put(name.replace("view", "depth"), depth_picture(view).save)
            if view.normal is not None:
                put(name.replace("view", "normal"), normal_picture(view).save)
    put("views.json", lambda path: path.write_text(json.dumps(views_json(views, names, views.meta), indent=1)))
    put("transforms.json", lambda path: path.write_text(json.dumps(transforms_json(views, names), indent=1)))
    return written


def turntable_frames(
    views: ViewSet, size: int, rig_name: str = TURNTABLE_RIG, progress: Progress = no_progress
) -> list[Image.Image]:
    """Frames of the object turning, rendered by the view set's scene.

    Raises:
        InvalidRequest: the engine cannot render further cameras.
    """
    if views.scene is None:
        raise InvalidRequest(
            "This engine cannot turn the object.", hint="Use an engine with geometry, such as lift.", field="formats"
        )
    cameras = rig(rig_name)
    frames = []
    for i, camera in enumerate(cameras):
        progress(i / len(cameras), "turntable")
        frames.append(views.scene.render(camera, size).image)
    return frames


TURNTABLES = ("turntable", "turntable-mp4", "turntable-gif", "turntable-sheet")
FORMATS = ("grid", "views", *TURNTABLES, "glb", "zip")
"""Names of everything that can be asked for."""


def write_format(
    views: ViewSet,
    name: str,
    directory: Path,
    *,
    width: int = 640,
    height: int = 960,
    background: str = "white",
    turntable_size: int = 512,
    progress: Progress = no_progress,
) -> dict[str, Path]:
    """Write one of :data:`FORMATS` into ``directory``; returns paths by file name.

    Raises:
        InvalidRequest: unknown format, or one that the engine cannot give.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if name == "grid":
        path = directory / "grid.png"
        views.grid(width, height, background).save(path)
    elif name == "views":
        return save_views(views, directory, background="transparent")
    elif name in TURNTABLES:
        endings = {"turntable": ".webp", "turntable-sheet": "-sheet.webp"}
        path = directory / f"turntable{endings.get(name, '.' + name[10:])}"
        frames = views.__dict__.get("_turn")
        if frames is None or frames[0] != turntable_size:
            frames = (turntable_size, turntable_frames(views, turntable_size, progress=progress))
            views.__dict__["_turn"] = frames
        if name == "turntable-sheet":
            turntable_sheet(frames[1]).save(path, quality=84, method=3)
        else:
            write_turntable(frames[1], path, background)
    elif name == "glb":
        path = write_glb(views, directory / "object.glb")
    elif name == "zip":
        path = zip_folder(directory, directory / "views.zip")
    else:
        raise InvalidRequest(f"There is no format {name!r}.", hint=f"Formats: {', '.join(FORMATS)}.", field="formats")
    return {path.name: path}


def zip_folder(folder: Path, path: Path, names: Iterable[str] | None = None) -> Path:
    """Pack the files of a folder (not its folders) with fixed dates, so that the same files give the same zip."""
    files = (
        sorted(folder / n for n in names) if names is not None else sorted(p for p in folder.iterdir() if p.is_file())
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if file != path:
                archive.writestr(
                    zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0)), file.read_bytes(), zipfile.ZIP_DEFLATED
                )
    return path
