"""Novel-view quality on a folder of evaluation objects: ``python -m bench.quality EVAL [--engine lift inflate]``.

The protocol is SyncDreamer's: one input picture, 16 true views at elevation 30, known cameras. The folder
holds ``NAME/input.png``, ``NAME/000.png`` … and ``NAME/cameras.json``. Baselines (the input picture as every
view; the cut-out as a flat card that turns) run beside every engine. Prints a table, writes JSON and a sheet.

``--pictures 0,180`` gives the engines the true views at further azimuths as well, in a row beside that of the one
picture; all rows are then scored on the views that no row was given. ``--untold`` keeps their cameras secret, the
first picture's too.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

import orbitview
from orbitview import Camera

from .colour import BACK, colour_error, feature_distance, gradient_energy

REALISTIC = ("aws", "gztex", "sh", "wrsycb")
APART = (22.5, 180.0)
"""Azimuths between which the outline's fall is told: what is near the picture, and what it does not show."""
Views = list[np.ndarray]
Method = Callable[[Image.Image, Camera, list[Camera], int], tuple[Views, float]]
"""Picture, its camera, target cameras and size to (H, W, 4) views in [0, 1] and the elevation used."""


def copy(picture: Image.Image, camera: Camera, cameras: list[Camera], size: int) -> tuple[Views, float]:
    """Baseline: the input picture as every view."""
    view = np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float32) / 255
    return [view] * len(cameras), camera.elevation


def billboard(picture: Image.Image, camera: Camera, cameras: list[Camera], size: int) -> tuple[Views, float]:
    """Baseline: the cut-out as an upright flat card through the origin."""
    source = np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float32) / 255
    source[..., :3] *= source[..., 3:]
    views = []
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    slope = np.tan(np.radians(camera.fov) / 2)
    for target in cameras:
        rays = np.stack([*np.meshgrid(axis * slope, axis * slope), np.ones((size, size))], -1) @ target.rotation.T
        eye = target.position
        with np.errstate(divide="ignore", invalid="ignore"):
            along = -eye[2] / rays[..., 2]  # the card is the plane z = 0
        points = eye + along[..., None] * rays
        local = (points - camera.position) @ camera.rotation
        at = [(local[..., k] / local[..., 2] / slope + 1) * size / 2 - 0.5 for k in (1, 0)]
        view = np.stack([ndimage.map_coordinates(source[..., c], at, order=1) for c in range(4)], -1)
        view[~(along > 0)] = 0
        view[..., :3] /= np.maximum(view[..., 3:], 1e-6)
        views.append(view.astype(np.float32))
    return views, camera.elevation


def engine(name: str, known_elevation: bool = True) -> Method:
    """An engine, told the camera; or, for the second row, not told its elevation."""

    def run(picture: Image.Image, camera: Camera, cameras: list[Camera], size: int) -> tuple[Views, float]:
        if not known_elevation:
            blind = orbitview.generate(picture, [Camera()], engine=name, size=32)
            camera = Camera(
                0, float(np.clip(blind.meta["input_camera"]["elevation"], -89, 89)), camera.distance, camera.fov
            )
        views = orbitview.generate(picture, cameras, engine=name, input_camera=camera, size=size, seed=0)
        return [np.asarray(v.image, np.float32) / 255 for v in views], camera.elevation

    return run


def engine_of_several(name: str, folders: dict[int, Path], azimuths: Sequence[float], told: bool) -> Method:
    """An engine that is given further true views, and told their cameras or not.

    Args:
        folders: the folder of each object, by the identity of its picture.
        azimuths: the first is that of the picture itself.
        told: whether cameras are told.
    """

    def run(picture: Image.Image, camera: Camera, cameras: list[Camera], size: int) -> tuple[Views, float]:
        extra = further(folders[id(picture)], azimuths[1:])
        stated = [camera, *(c for _, c in extra)] if told else None
        views = orbitview.generate(
            [picture, *(p for p, _ in extra)], cameras, engine=name, input_camera=stated, size=size, seed=0
        )
        found = views.meta["input_camera"]
        if not told:
            for about, azimuth in zip(found[1:], azimuths[1:], strict=True):
                FOUND.append(abs((about["azimuth"] - azimuth + 180) % 360 - 180))
        return [np.asarray(v.image, np.float32) / 255 for v in views], found[0]["elevation"]

    return run


FOUND: list[float] = []
"""How far the azimuths that were found are from the true ones, in degrees."""


def further(folder: Path, azimuths: Sequence[float]) -> list[tuple[Image.Image, Camera]]:
    """True views at azimuths, with their cameras."""
    about = json.loads((folder / "cameras.json").read_text())
    views = {t["azimuth"] % 360: t for t in about["targets"]}
    if missing := [a for a in azimuths if a % 360 not in views]:
        raise SystemExit(f"There is no true view at azimuth {missing[0]:g} in {folder}.")
    chosen = [views[a % 360] for a in azimuths]
    return [
        (
            Image.open(folder / t["file"]).convert("RGBA"),
            Camera(t["azimuth"], t["elevation"], about["distance"], about["fov_degrees"]),
        )
        for t in chosen
    ]


def white(view: np.ndarray) -> np.ndarray:
    return view[..., :3] * view[..., 3:] + 1 - view[..., 3:]


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004 with an 11-pixel Gaussian window of sigma 1.5, mean over channels and whole windows."""

    def blur(x: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(x, (1.5, 1.5, 0), truncate=3.5)

    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    ratio = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(ratio[5:-5, 5:-5].mean())


def psnr(error: np.ndarray) -> float:
    return float(-10 * np.log10(max(float(error.mean()), 1e-8)))


def score(views: Views, truth: Views, azimuths: Sequence[float]) -> dict[str, float]:
    """Figures of one object, means over its views."""
    rows, energy = [], np.zeros(2)
    errors: dict[str, list[float]] = {"colour": [], "back_colour": []}
    for view, true, azimuth in zip(views, truth, azimuths, strict=True):
        a, b = white(view), white(true)
        error = ((a - b) ** 2).mean(-1)
        mine, their = view[..., 3] > 0.5, true[..., 3] > 0.5
        either = mine | their
        figures = {
            "psnr": psnr(error),
            "psnr_fg": psnr(error[either]) if either.any() else 40.0,
            "ssim": ssim(a, b),
            "iou": float((mine & their).sum() / max(1, either.sum())),
        }
        back = BACK[0] <= azimuth <= BACK[1]
        if (wrong := colour_error(view, true)) is not None:
            errors["colour"].append(wrong)
            errors["back_colour"] += [wrong] if back else []
        if back:
            figures["back_fg"] = figures["psnr_fg"]
            figures["back_feature"] = feature_distance(view, true)
            energy += gradient_energy(view, true)
        if azimuth in APART:
            figures[f"iou_{azimuth:g}"] = figures["iou"]
        rows.append(figures)
    keys = dict.fromkeys(key for row in rows for key in row)
    means = {k: float(np.mean([r[k] for r in rows if k in r])) for k in keys}
    means |= {k: float(np.mean([psnr(np.array(e)) for e in v])) for k, v in errors.items() if v}
    return means | {"back_gradient": float(energy[0] / max(energy[1], 1e-9))} if energy.any() else means


def load(folder: Path, size: int) -> tuple[Image.Image, Camera, list[Camera], Views]:
    """Input, its camera, the target cameras and the true views at ``size``."""
    about = json.loads((folder / "cameras.json").read_text())
    fov, distance = about["fov_degrees"], about["distance"]
    cameras = [Camera(t["azimuth"], t["elevation"], distance, fov) for t in about["targets"]]

    def read(name: str) -> np.ndarray:
        picture = Image.open(folder / name).convert("RGBa").resize((size, size), Image.Resampling.BOX).convert("RGBA")
        return np.asarray(picture, np.float32) / 255

    truth = [read(t["file"]) for t in about["targets"]]
    return (
        Image.open(folder / "input.png").convert("RGBA"),
        Camera(0, about["input"]["elevation"], distance, fov),
        cameras,
        truth,
    )


def sheet_row(picture: Image.Image, truth: Views, results: dict[str, Views], size: int = 96) -> np.ndarray:
    """Input, then true views over each method's, every fourth view."""

    def tile(view: np.ndarray) -> np.ndarray:
        return np.asarray(
            Image.fromarray((white(view) * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BOX)
        )

    first = tile(np.asarray(picture.resize((size, size)), np.float32) / 255)
    strips = [np.concatenate([tile(v) for v in views[::4]], 1) for views in [truth, *results.values()]]
    return np.concatenate([first, *strips], 1)


def azimuths_of(text: str) -> list[float]:
    """Azimuths of an option, the first of them 0."""
    azimuths = [float(part) for part in text.split(",")]
    if len(azimuths) < 2 or azimuths[0] != 0:
        raise argparse.ArgumentTypeError("several azimuths, the first of them 0")
    return azimuths


def one_untold(name: str) -> Method:
    """An engine that is given the picture alone."""

    def run(picture: Image.Image, camera: Camera, cameras: list[Camera], size: int) -> tuple[Views, float]:
        views = orbitview.generate(picture, cameras, engine=name, size=size, seed=0)
        return [np.asarray(v.image, np.float32) / 255 for v in views], views.meta["input_camera"]["elevation"]

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", nargs="+", default=["auto"])
    parser.add_argument("--size", type=int, default=128, help="pixels at which views are compared")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, default=Path("quality"), help="stem of the JSON and PNG files")
    parser.add_argument("--estimate", action="store_true", help="also a row with the elevation estimated")
    parser.add_argument("--pictures", type=azimuths_of, help="azimuths of several pictures, such as 0,180")
    parser.add_argument("--untold", action="store_true", help="with --pictures: tell no cameras")
    options = parser.parse_args()
    asked: list[float] = options.pictures or []
    folder_of: dict[int, Path] = {}
    methods: dict[str, Method] = {"copy": copy, "billboard": billboard}
    for name in options.engine:
        methods[name] = engine(name)
        if asked and options.untold:
            methods[name] = one_untold(name)
        if asked:
            methods[f"{name}, {len(asked)} pictures"] = engine_of_several(name, folder_of, asked, not options.untold)
        if options.estimate:
            methods[f"{name}, own elevation"] = engine(name, known_elevation=False)
    folders = sorted(p.parent for p in options.folder.glob("*/cameras.json"))[: options.limit]
    if not folders:
        raise SystemExit(f"There is no NAME/cameras.json in {options.folder}.")
    scores: dict[str, dict[str, dict[str, float]]] = {name: {} for name in methods}
    rows = []
    for number, folder in enumerate(folders, 1):
        picture, camera, cameras, truth = load(folder, options.size)
        folder_of[id(picture)] = folder
        if asked:
            kept = [i for i, c in enumerate(cameras) if c.azimuth % 360 not in {a % 360 for a in asked}]
            cameras, truth = [cameras[i] for i in kept], [truth[i] for i in kept]
        shown = {}
        for name, method in methods.items():
            begun = time.perf_counter()
            views, elevation = method(picture, camera, cameras, options.size)
            seconds = time.perf_counter() - begun
            scores[name][folder.name] = score(views, truth, [c.azimuth for c in cameras]) | {
                "seconds": seconds,
                "elevation_error": abs(elevation - camera.elevation),
            }
            if name not in ("copy", "billboard") and "own" not in name:
                shown[name] = views
        rows.append(sheet_row(picture, truth, shown))
        print(f"\r{number}/{len(folders)} {folder.name:40.40}", end="", flush=True)
    print()
    groups = {
        "all": folders,
        "stylised": [f for f in folders if not f.name.startswith(REALISTIC)],
        "realistic": [f for f in folders if f.name.startswith(REALISTIC)],
    }
    keys = ("psnr", "psnr_fg", "back_fg", "iou", "ssim", "seconds")
    keys += ("colour", "back_colour", "back_gradient", "back_feature")
    summary: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'':34}" + "".join(f"{k.replace('back_', 'b_'):>10}" for k in keys) + f"{'elev err':>10}")
    for group, members in groups.items():
        if not members:
            continue
        for name in methods:
            mean = {k: float(np.nanmean([scores[name][f.name].get(k, np.nan) for f in members])) for k in keys}
            gradients = [scores[name][f.name].get("back_gradient", np.nan) for f in members]
            mean["back_gradient"] = float(np.nanmedian(gradients))
            mean["elevation_error_median"] = float(
                np.median([scores[name][f.name]["elevation_error"] for f in members])
            )
            summary.setdefault(group, {})[name] = mean
            print(
                f"{group + ' ' + str(len(members)) + ' ' + name:34}"
                + "".join(f"{mean[k]:10.3f}" for k in keys)
                + f"{mean['elevation_error_median']:10.2f}"
            )
    if FOUND:
        share = float(np.mean(np.array(FOUND) <= 15))
        print(f"azimuths found within 15°: {100 * share:.1f} % of {len(FOUND)}")
    for name in methods if not asked else ():
        near, far = (
            float(np.nanmean([scores[name][f.name].get(f"iou_{azimuth:g}", np.nan) for f in folders]))
            for azimuth in APART
        )
        print(
            f"two views apart, {name}: IoU {near:.3f} at {APART[0]}°, {far:.3f} at {APART[1]:g}°, fall {near - far:.3f}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    print(f"peak memory {peak:.0f} MB; {machine}; {date.today()}")
    document = {
        "date": str(date.today()),
        "machine": machine,
        "size": options.size,
        "peak_mb": peak,
        "pictures": asked,
        "azimuths_off": FOUND,
        "summary": summary,
        "objects": scores,
    }
    options.out.with_suffix(".json").write_text(json.dumps(document, indent=1))
    Image.fromarray(np.concatenate(rows)).save(options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
