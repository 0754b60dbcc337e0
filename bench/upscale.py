"""Upscaling: ``python -m bench.upscale [--objects FOLDER] [--photographs FOLDER] [--sheet PNG]``.

Objects are GLBs, rendered at 1024 px before white; photographs are taken whole. Each is made smaller by the scale, by
Pillow's bicubic kernel and nothing else, or with ``--poor`` as :mod:`training.upscale` does (kernels, blur, noise,
JPEG; always the same), and made large again: by the network in the package, by Lanczos, and with ``--peer`` by
Real-ESRGAN's models. PSNR in dB over all of R, G and B.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

import orbitview
from orbitview import Camera
from orbitview.images import UPSCALE_MODELS, upscale_ready

Named = tuple[str, Image.Image]
SIDE = 1024
CELL = 256


def photographs(folder: Path, limit: int) -> Iterator[Named]:
    """Pictures of a folder; masks beside them are left out."""
    pictures = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for path in [path for path in pictures if ".mask" not in path.name][:limit]:
        yield path.stem, Image.open(path).convert("RGB")


def renderings(folder: Path, limit: int) -> Iterator[Named]:
    """Objects from a random side each, before white."""
    from training.data import Light, shuffled
    from training.objects import load_glb
    from training.upscale_data import render

    for path in shuffled(folder, 3, limit):
        rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
        camera = Camera(rng.uniform(0, 360), rng.uniform(-10, 40), 0.5 / math.sin(math.radians(15)) / 0.9, 30)
        rgba = render(load_glb(path), camera, SIDE, (0, 0, SIDE), Light.random(rng))
        if (rgba[..., 3] > 0.5).mean() < 0.03:
            continue  # nearly nothing to enlarge
        white = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
        yield path.stem, Image.fromarray((white * 255 + 0.5).astype(np.uint8))


def decibels(found: Image.Image, true: Image.Image) -> float:
    """PSNR."""
    error = np.mean((np.asarray(found, np.float64) - np.asarray(true, np.float64)) ** 2) / 255**2
    return float(-10 * np.log10(max(error, 1e-6)))


def made_small(name: str, large: Image.Image, scale: int, poor: bool) -> tuple[Image.Image, Image.Image]:
    """What is enlarged, and what it should become: sides that the scale does not divide are cut."""
    width, height = (side // scale * scale for side in large.size)
    large = large.crop((0, 0, width, height))
    if not poor:
        return large.resize((width // scale, height // scale), Image.Resampling.BICUBIC), large
    from training.upscale import shrunk

    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return Image.fromarray(shrunk(rng, np.asarray(large), scale)), large


def finest(true: Image.Image) -> tuple[int, int, int, int]:
    """The cell of a picture with most detail, for the sheet."""
    grey = np.asarray(true.convert("L"), np.float32)
    detail = np.abs(np.diff(grey, axis=0))[:, :-1] + np.abs(np.diff(grey, axis=1))[:-1]
    side = min(CELL, *true.size)
    sums = {
        (left, top): float(detail[top : top + side, left : left + side].sum())
        for top in range(0, true.height - side + 1, 32)
        for left in range(0, true.width - side + 1, 32)
    }
    left, top = max(sums, key=lambda at: sums[at])
    return left, top, left + side, top + side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--poor", action="store_true")
    parser.add_argument("--limit", type=int, default=40, help="pictures of a kind")
    parser.add_argument("--peer", action="append", default=[], choices=UPSCALE_MODELS[1:])
    parser.add_argument("--sheet", type=Path, help="write a picture: the truth, then every way")
    options = parser.parse_args()
    sets: dict[str, Iterator[Named]] = {}
    if options.objects:
        sets["renderings"] = renderings(options.objects, options.limit)
    if options.photographs:
        sets["photographs"] = photographs(options.photographs, options.limit)
    if not sets:
        parser.error("Name --objects or --photographs.")
    scale = options.scale
    ways: dict[str, Callable[[Image.Image], Image.Image]] = {
        "Lanczos": lambda p: p.resize((p.width * scale, p.height * scale), Image.Resampling.LANCZOS)
    }
    for model in (UPSCALE_MODELS[0], *options.peer):
        missing = upscale_ready(model)
        if missing:
            print(f"{model} is left out: {missing}")
        else:
            ways[model] = lambda p, model=model: orbitview.upscale(p, scale, model=model)  # type: ignore[misc]
    rows = []
    for title, pictures in sets.items():
        found: dict[str, list[float]] = {name: [] for name in ways}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for name, picture in pictures:
            small, large = made_small(name, picture, scale, options.poor)
            box = finest(large)
            cells = [large.crop(box)]
            for way, run in ways.items():
                begun = time.perf_counter()
                made = run(small)
                seconds[way].append((time.perf_counter() - begun) / (small.width * small.height) * 256**2)
                found[way].append(decibels(made, large))
                cells.append(made.crop(box))
            rows.append([np.asarray(cell.resize((CELL, CELL), Image.Resampling.NEAREST)) for cell in cells])
            print(f"\r{title} {name:30.30}", end="", flush=True)
        count, base = len(found["Lanczos"]), np.array(found["Lanczos"])
        print(f"\r×{scale}, {'poor' if options.poor else 'bicubic'}, {count} {title}:{' ' * 30}")
        for way, values in found.items():
            gain = np.array(values) - base
            print(
                f"  {way:24} {np.mean(values):.2f} dB, {gain.mean():+.2f} over Lanczos (worst {gain.min():+.2f}, "
                f"best {gain.max():+.2f}), {np.median(seconds[way]):.2f} s for 256 × 256"
            )
    print(f"{platform.machine()}, {date.today()}; sheet: truth, {', '.join(ways)}")
    if options.sheet:
        chosen = rows[:: max(1, len(rows) // 12)][:12]
        Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in chosen])).save(options.sheet)


if __name__ == "__main__":
    main()
