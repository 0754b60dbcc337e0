"""``orbitview generate``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from ..cameras import DEFAULT_FOV, Camera
from ..errors import InvalidRequest
from ..formats import ABOUT, FORMATS, GEOMETRY, Format
from ..images.limits import MOST_PICTURES
from ..kept import SCENE, pack_scene
from ..lifting import lift_views
from ..outputs import OutputOptions, write_format, zip_folder
from ..progress import Progress, part
from ..views import ViewSet
from .console import as_row, complain, count_files, progress_bar, say, told
from .folder import check_folder, digest, fresh_folder, is_done, write_note
from .pictures import name_of, read_picture, result_folders

STDOUT = Path("-")


@dataclass
class Batch:
    """What one command makes of each picture.

    Attributes:
        engine: keywords of :func:`orbitview.generate`.
        formats: grid and views are made in any case.
        also: further pictures of the one object, with their azimuths.
        split: the picture is a sheet of figures.
        options: of files, with ``name`` still open.
    """

    out: Path
    engine: dict[str, Any]
    formats: list[Format]
    options: dict[str, Any]
    force: bool = False
    skip_existing: bool = False
    keep_scene: bool = True
    as_json: bool = False
    also: list[tuple[Path, float | None]] = field(default_factory=list)
    split: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def check(self, pictures: int) -> None:
        """Refuse what cannot work, before the first picture.

        Raises:
            InvalidRequest, EngineUnavailable: with the option at fault.
        """
        from ..checks import check_numbers, input_camera_of, list_cameras
        from ..engines import get_engine

        asked = self.engine
        check_numbers(asked["size"], asked["seed"], asked["num_inference_steps"], asked["guidance_scale"])
        input_camera_of(asked["input_camera"])
        info = get_engine(asked["engine"]).info
        list_cameras(asked["cameras"], info)
        if asked["matte"] not in ("auto", "alpha", "none"):
            raise InvalidRequest(f"There is no matte {asked['matte']!r}.", hint="Use auto, alpha or none.")
        OutputOptions(**self.options)
        if self.also and pictures > 1:
            raise InvalidRequest(
                "--also belongs to one picture.", hint="Name one picture, and its other sides with --also."
            )
        if self.also and self.split:
            raise InvalidRequest("--also and --split cannot both be there.", hint="A sheet has all sides in it.")
        if len(self.also) >= MOST_PICTURES:
            raise InvalidRequest(
                f"There are {len(self.also) + 1} pictures.", hint=f"At most {MOST_PICTURES} of one object."
            )
        if self.out == STDOUT:
            if pictures > 1:
                raise InvalidRequest("Only one picture's results go to stdout.", hint="Name a folder with --out.")
            if self.as_json:
                raise InvalidRequest("--json and results cannot both go to stdout.", hint="Name a folder with --out.")
            if sys.stdout.isatty():
                raise InvalidRequest("Results do not go to a terminal.", hint="Pipe them on, or name a folder.")
        else:
            check_folder(self.out)

    def run(self, paths: list[Path]) -> list[dict[str, Any]]:
        """Every picture, one after the other; a failing one does not stop the rest."""
        folders = [STDOUT] if self.out == STDOUT else result_folders(paths, self.out)
        results = []
        with progress_bar(self.as_json) as track:
            for number, (path, folder) in enumerate(zip(paths, folders, strict=True)):
                with track(name_of(path), number, len(paths)) as show:
                    results.append(self._one(path, folder, show))
        self._summary(len(paths))
        return results

    def _one(self, path: Path, folder: Path, show: Progress) -> dict[str, Any]:
        shown = str(path)
        try:
            content = read_picture(path)
            more = [read_picture(other) for other, _ in self.also]
            run = digest(b"".join([content, *more]), self._asked())
            if self.skip_existing and folder != STDOUT and is_done(folder, run):
                self.counts["skipped"] += 1
                if not self.as_json:
                    say(f"{shown}: skipped, its results are in {folder}")
                return {"image": shown, "folder": str(folder), "skipped": True}
            views = self._views(content, more, part(show, 0.0, 0.5 if self.formats else 0.95))
            if any(name in GEOMETRY for name in self.formats):
                views = lift_views(views, part(show, 0.5, 0.6))
            rest = part(show, 0.6, 0.95)
            if folder == STDOUT:
                with tempfile.TemporaryDirectory(prefix="orbitview-") as work:
                    made = self._write(views, Path(work), path, rest)
                    sys.stdout.buffer.write(self._single(Path(work), made).read_bytes())
                    sys.stdout.buffer.flush()
            else:
                with fresh_folder(folder, self.force) as work_folder:
                    made = self._write(views, work_folder, path, rest)
                    write_note(work_folder, run, shown, self._asked(), made)
        except Exception as failure:
            error = told(failure)
            self.counts["failed"] += 1
            if not self.as_json:
                complain(error, shown)
            about = as_row(error)
            return {"image": shown, "error": about}
        self.counts["done"] += 1
        if not self.as_json:
            self._report(shown, folder, views.meta, len(made))
        return {
            "image": shown,
            "folder": str(folder),
            "meta": views.meta,
            "files": {name: str(folder / name) for name in made},
        }

    def _views(self, content: bytes, more: list[bytes], progress: Progress) -> ViewSet:
        from ..api import generate

        if self.split:
            from ..images import load_image, split_figures

            return generate(split_figures(load_image(content)), progress=progress, **self.engine)
        if more:
            cameras = [self.engine["input_camera"], *(azimuth for _, azimuth in self.also)]
            return generate([content, *more], progress=progress, **self.engine | {"input_camera": cameras})
        return generate(content, progress=progress, **self.engine)

    def _write(self, views: ViewSet, work: Path, path: Path, progress: Progress) -> list[str]:
        """Every file into ``work``; returns their names."""
        side = (640, 960) if len(views) == 6 else (960, 960)
        name = plain_name(name_of(path))
        options = OutputOptions(width=side[0], height=side[1], **self.options | {"object_name": name})
        made: list[str] = []
        formats: list[Format] = ["views", "grid", *(name for name in self.formats if name != "zip")]
        for i, kind in enumerate(dict.fromkeys(formats)):
            share = part(progress, i / len(formats), (i + 1) / len(formats))
            made += write_format(views, kind, work, options=options, progress=share)
        if "zip" in self.formats:
            zip_folder(work, work / "views.zip", made)
            made.append("views.zip")
        scene = pack_scene(views) if self.keep_scene and self.out != STDOUT else None
        if scene is not None:
            (work / SCENE).write_bytes(scene)
            made.append(SCENE)
        return list(dict.fromkeys(made))

    def _single(self, work: Path, made: list[str]) -> Path:
        """The file for stdout: the grid, the one format asked for, or a zip where it takes several files."""
        if not self.formats:
            return work / "grid.png"
        file = ABOUT[self.formats[0]].file
        if len(self.formats) == 1 and file in made and self.formats[0] != "obj":
            return work / file
        if len(self.formats) == 1 and file.endswith("/"):  # what lies in a folder, alone
            return zip_folder(work / file, work / "all.zip")
        return zip_folder(work, work / "all.zip", [name for name in made if name != "views.zip"])

    def _asked(self) -> dict[str, Any]:
        cameras = self.engine["cameras"]
        listed = cameras if isinstance(cameras, str) else [str(camera) for camera in cameras]
        options = {name: value for name, value in self.options.items() if value is not None}
        asked = {**self.engine, "cameras": listed, "formats": sorted(self.formats), **options}
        if self.also:
            asked["also"] = [[str(path), azimuth] for path, azimuth in self.also]
        return asked | ({"split": True} if self.split else {})

    def _report(self, shown: str, folder: Path, meta: dict[str, Any], count: int) -> None:
        note = f", without effect here: {', '.join(meta['ignored'])}" if meta.get("ignored") else ""
        say(f"{shown}: engine {meta['engine']}, {meta['seconds']} s, seed {meta['seed']}{note}", "green", "✓")
        for number, about in enumerate(_cameras(meta)[1:], 2):
            if about.get("found"):
                say(f"  picture {number}: found at azimuth {about['azimuth']:g}°")
        for warning in meta.get("warnings", []):
            say(f"  {warning}", "yellow", "!")
        if folder != STDOUT:
            say(f"  {folder / 'grid.png'} and {count_files(range(count - 1), 'more ')}")

    def _summary(self, total: int) -> None:
        if total > 1 and not self.as_json:
            parts = [f"{self.counts[name]} {name}" for name in ("done", "skipped", "failed") if self.counts[name]]
            say(f"{total} pictures: {', '.join(parts)}; results in {self.out}")

    def finish(self, results: list[dict[str, Any]]) -> None:
        """Print JSON where it was asked for; exit code 1 if a picture failed."""
        if self.as_json:
            print(json.dumps(results, indent=1))
        if self.counts["failed"]:
            raise typer.Exit(1)


def _cameras(meta: dict[str, Any]) -> list[dict[str, Any]]:
    used = meta.get("input_camera")
    return used if isinstance(used, list) else []


def plain_name(name: str) -> str:
    """A file name's characters that every system and tool takes."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-") or "object"


def parse_camera(text: str) -> Camera:
    """``azimuth,elevation[,distance[,fov]]``, or ``azimuth,elevation,ortho[=scale]``.

    Raises:
        InvalidRequest: it is not.
    """
    *angles, last = text.split(",")
    name, equals, scale = last.strip().partition("=")
    try:
        if name == "ortho" and len(angles) == 2:
            azimuth, elevation = (float(angle) for angle in angles)
            return Camera(azimuth, elevation, projection="orthographic", scale=float(scale) if equals else None)
        numbers = [float(number) for number in text.split(",")]
        azimuth, elevation = numbers[:2]
        if len(numbers) > 4:
            raise ValueError(text)
    except ValueError as error:
        raise InvalidRequest(
            f"{text!r} is not a camera.",
            hint="Write azimuth,elevation[,distance[,fov]], for instance 45,20; or 45,20,ortho for parallel rays.",
            field="cameras",
        ) from error
    distance, fov = (numbers[2] if len(numbers) > 2 else None), (numbers[3] if len(numbers) > 3 else DEFAULT_FOV)
    return Camera(azimuth, elevation, distance, fov)


def wanted_formats(named: list[str], flags: dict[str, bool]) -> list[Format]:
    """Formats of ``--format`` (again, or with commas) and of the flags, each once.

    Raises:
        InvalidRequest: a name that is none.
    """
    asked = [part.strip() for text in named for part in text.split(",") if part.strip()]
    if flags.pop("turntable", False):
        asked += ["turntable", "turntable-mp4", "turntable-gif"]
    asked += [name for name, on in flags.items() if on]
    for name in asked:
        if name not in FORMATS:
            raise InvalidRequest(f"There is no format {name!r}.", hint=f"Formats: {', '.join(FORMATS)}.")
    return [name for name in FORMATS if name in asked]
