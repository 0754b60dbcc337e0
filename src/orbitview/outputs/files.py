"""Everything a view set can be written as, each format under one name."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidRequest
from ..formats import FORMATS
from ..grid import make_grid, over
from ..progress import Progress, no_progress
from ..view import Views
from .archive import zip_write
from .colmap import write_colmap
from .maps import depth_picture, metric_depth_picture, normal_picture
from .options import OutputOptions, output_options
from .points import surface_points, write_points
from .poses import not_pinhole, split_transforms, transforms_json, views_json
from .spin import write_spin
from .turntable import turn_cameras, turntable_frames, turntable_sheet, write_frames, write_turn


def save_views(views: Views, directory: Path, *, background: str = "transparent", maps: bool = True) -> dict[str, Path]:
    """Write ``view-000.png`` … and their camera files, and with ``maps`` what else is known of them.

    Camera files: ``views.json``; ``transforms.json`` (nerfstudio); ``transforms_train``, ``_val`` and ``_test.json``
    (3DGS, NeRF), which are left out where a camera is orthographic: they know pinholes alone. Maps: ``mask-``;
    ``normal-``; ``depth-`` to look at, ``depth-metric-`` in thousandths of a bounding-box diagonal and
    ``depth-000.npz`` as it is; ``points3d.ply``, the surface as points.

    Returns:
        File paths by name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}

    def put(name: str, save: Callable[[Path], object]) -> str:
        save(directory / name)
        written[name] = directory / name
        return name

    def put_json(name: str, document: Any) -> None:
        put(name, lambda path: path.write_text(json.dumps(document, indent=1)))

    names = [f"view-{i:03d}.png" for i in range(len(views))]
    masks: list[str] = []
    depths: list[str] = []
    for name, view in zip(names, views, strict=True):
        put(name, over(view.image, background).save)
        if not maps:
            continue
        masks.append(put(name.replace("view", "mask"), view.mask.save))
        depth = view.depth
        if depth is not None:
            put(name.replace("view", "depth"), depth_picture(view).save)
            depths.append(put(name.replace("view", "depth-metric"), metric_depth_picture(view).save))
            exact = name.replace("view", "depth").replace(".png", ".npz")
            put(exact, lambda path, depth=depth: np.savez_compressed(path, depth=depth))  # type: ignore[misc]
        if view.normal is not None:
            put(name.replace("view", "normal"), normal_picture(view).save)
    points = surface_points(list(views)) if maps else None
    if points is not None:
        put("points3d.ply", lambda path: write_points(points, path))
    listed = list(views)
    put_json("views.json", views_json(listed, names, views.meta))
    if not_pinhole(listed):
        return written
    whole = len(depths) == len(names)
    put_json(
        "transforms.json",
        transforms_json(
            listed, names, masks or None, depths if whole and depths else None, "points3d.ply" if points else None
        ),
    )
    for file, document in split_transforms(listed, names).items():
        put_json(file, document)
    return written


def write_format(
    views: Views,
    name: str,
    directory: Path,
    *,
    options: OutputOptions | None = None,
    progress: Progress = no_progress,
    **given: Any,
) -> dict[str, Path]:
    """Write one of :data:`orbitview.formats.FORMATS` into ``directory``.

    Args:
        options: how; or its fields as keywords, see :class:`orbitview.outputs.OutputOptions`.

    Returns:
        Paths by name; a file in a folder of its own is named ``folder/file``.

    Raises:
        InvalidRequest: unknown format or option, or one that the engine cannot give.
    """
    chosen = options or output_options(given)
    directory.mkdir(parents=True, exist_ok=True)
    if name == "grid":
        path = directory / "grid.png"
        make_grid([view.image for view in views], chosen.width, chosen.height, chosen.background).save(path)
    elif name == "views":
        return save_views(views, directory, background="transparent")
    elif name == "cutout":
        if views.cutout is None:
            raise InvalidRequest("The cut-out was not kept.", hint="Make the views again.", field="formats")
        path = directory / "cutout.png"
        views.cutout.save(path)
    elif name == "frames":
        shutil.rmtree(directory / "frames", ignore_errors=True)
        return {f"frames/{p.name}": p for p in write_frames(views, directory / "frames", chosen, progress)}
    elif name == "spin":
        path = write_spin(views, directory / "spin.html", chosen, progress)
    elif name == "turntable-sheet":
        path = directory / "turntable-sheet.webp"
        frames = turntable_frames(views, chosen.turntable_size, turn_cameras(chosen), progress)
        turntable_sheet(frames).save(path, quality=84, method=3)
    elif name in ("turntable", "turntable-mp4", "turntable-gif"):
        path = write_turn(views, directory / f"turntable.{name[10:] or 'webp'}", chosen, progress)
    elif name in ("glb", "obj", "usdz", "ply"):
        from .mesh import write_mesh  # trimesh: slow to come in, and pictures do not need it

        progress(0.0, name)
        return write_mesh(views, name, directory, chosen)
    elif name in ("stl", "3mf"):
        from .prints import write_print

        progress(0.0, name)
        path = write_print(views, name, directory, chosen)
    elif name == "colmap":
        shutil.rmtree(directory / "colmap", ignore_errors=True)
        return write_colmap(list(views), directory / "colmap", chosen.background)
    elif name == "zip":
        path = zip_folder(directory, directory / "views.zip")
    else:
        raise InvalidRequest(f"There is no format {name!r}.", hint=f"Formats: {', '.join(FORMATS)}.", field="formats")
    return {path.name: path}


def zip_folder(folder: Path, path: Path, names: Iterable[str] | None = None) -> Path:
    """Pack the files of a folder, or those named, with fixed dates, so that the same files give the same zip."""
    found = names if names is not None else (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(found):
            if folder / name != path:
                zip_write(archive, name, (folder / name).read_bytes())
    return path
