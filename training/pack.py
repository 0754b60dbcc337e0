"""Objects as compact parts that travel: ``python -m training.pack OBJECTS OUT``.

A part holds, for some hundred objects, the mesh in 16-bit numbers, a small texture and the visual hull as bits:
about 20 kB an object. Pictures and targets are made from it while training (:mod:`training.sampler`), on a
processor or a GPU, so no object is ever shown twice the same.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from .hull import visual_hull
from .objects import Solid, is_validation, load_glb
from .pack_format import STEPS, TEXELS, Entry, write_part
from .shapes import random_solid

TEXTURE = 128
"""Most pixels across a packed texture; small ones (palettes) stay as they are."""
PER_PART = 160
"""Objects in a part."""


def packed(solid: Solid) -> Entry:
    """One object as small arrays."""
    hull = visual_hull(solid)
    colours = np.clip(solid.colours * 255 + 0.5, 0, 255).astype(np.uint8)
    if (colours == colours[:1]).all():
        colours = colours[:1]
    entry = {
        "vertices": np.rint((solid.vertices + 0.5) * STEPS).clip(0, STEPS).astype(np.uint16),
        "faces": solid.faces.astype(np.uint16),
        "seen": np.packbits(hull.faces),
        "colours": colours,
        "hull": np.packbits(hull.filled),
        "box": np.array([*hull.filled.shape], np.int32),
        "frame": np.array([*hull.origin, hull.voxel], np.float32),
    }
    if solid.texture is not None and solid.uv is not None:
        uv = np.nan_to_num(solid.uv)
        uv = uv - np.floor(uv.min(0))
        entry["uv"] = np.rint(uv * TEXELS).clip(0, 65535).astype(np.uint16)
        entry["texture"] = np.frombuffer(_texture(solid.texture), np.uint8)
    return entry


def _texture(texture: np.ndarray) -> bytes:
    image, file = Image.fromarray((texture * 255 + 0.5).astype(np.uint8)), io.BytesIO()
    if max(image.size) <= 64:
        image.save(file, "PNG")
        return file.getvalue()
    scale = TEXTURE / max(image.size)
    if scale < 1:
        small = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(small, Image.Resampling.BOX)
    image.save(file, "WEBP", quality=80)
    return file.getvalue()


def _work(source: str | int) -> tuple[str, str, Entry] | None:
    try:
        if isinstance(source, int):
            return "shape", f"shape-{source}", packed(random_solid(np.random.default_rng(source)))
        name = Path(source).stem
        return "val" if is_validation(name) else "train", name, packed(load_glb(Path(source)))
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        print(f"skipped {source}: {error}", flush=True)
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path, help="folder of GLB files")
    parser.add_argument("out", type=Path, help="folder for the parts")
    parser.add_argument("--procedural", type=int, default=0, help="add this many made-up objects")
    parser.add_argument("--limit", type=int, help="take only this many GLBs")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(options.objects.glob("*.glb"), key=lambda p: zlib.crc32(p.stem.encode()))[: options.limit]
    have = len(list(options.out.glob("part-*.xz")))
    sources: list[str | int] = [*map(str, paths), *range(options.procedural)]
    sources = sources[have * PER_PART :]
    started, total = time.time(), 0
    with multiprocessing.Pool(options.processes) as pool:
        for start in range(0, len(sources), PER_PART):
            some = sources[start : start + PER_PART]
            entries = [entry for entry in pool.imap(_work, some, 4) if entry is not None]
            path = options.out / f"part-{have:03d}.xz"
            write_part(path, entries)
            have, total = have + 1, total + path.stat().st_size
            done = start + len(some)
            left = (time.time() - started) / done * (len(sources) - done) / 60
            print(f"{done}/{len(sources)} objects, {total / 1e6:.1f} MB, {left:.0f} min left", flush=True)


if __name__ == "__main__":
    main()
