"""Shards of rendered samples, as the matte network's training packs them: lights, the file format, the packing loop."""

from __future__ import annotations

import argparse
import io
import multiprocessing
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from orbitview.cameras import Camera

from .objects import Solid, is_validation, load_glb
from .shapes import random_solid

PER_SHARD = 768
"""Samples in one shard."""

Sample = tuple[bytes, bytes, bytes, list[float]]
"""Picture, two further blobs, and numbers of its camera."""


@dataclass
class Light:
    """Lambert with a headlight, up to two lamps fixed in the world, and a little gloss."""

    ambient: float
    head: float
    lamps: np.ndarray
    gloss: float
    tint: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator) -> Light:
        kind = rng.random()
        tint = 1 + rng.normal(0, 0.03, 3).astype(np.float32)
        if kind < 0.3:
            return cls(1.0, 0.0, np.zeros((0, 3), np.float32), 0.0, tint)
        lamps = rng.normal(size=(int(rng.integers(0, 3)), 3)).astype(np.float32)
        if len(lamps):
            lamps[:, 1] = np.abs(lamps[:, 1]) + 0.3
            lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
        ambient = rng.uniform(0.35, 0.85)
        return cls(
            ambient,
            1 - ambient if not len(lamps) else rng.uniform(0, 0.3),
            lamps * (1.05 - ambient),
            rng.choice([0, 0, 0.25]),
            tint,
        )

    def shade(self, albedo: np.ndarray, normal: np.ndarray, view: np.ndarray | None) -> np.ndarray:
        """Colour of surface points; ``view`` are unit directions from the camera, None for hidden points."""
        facing = np.float32(0.75) if view is None else np.abs((normal * view).sum(1))
        light = self.ambient + self.head * facing + np.maximum(normal @ self.lamps.T, 0).sum(1)
        colour = albedo * light[:, None] * self.tint
        if self.gloss and view is not None and len(self.lamps):
            half = self.lamps[0] / (np.linalg.norm(self.lamps[0]) + 1e-9) - view
            half /= np.linalg.norm(half, axis=1, keepdims=True) + 1e-9
            colour += self.gloss * np.maximum((half * normal).sum(1), 0)[:, None] ** 40
        return np.clip(colour, 0, 1).astype(np.float32)


class ShardWriter:
    """Appends samples to ``NAME-0000.bin`` and its index, starting a new shard every :data:`PER_SHARD`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.count = folder, name, len(list(folder.glob(f"{name}-*.npz")))
        self.parts: list[Sample] = []

    def add(self, sample: Sample) -> None:
        self.parts.append(sample)
        if len(self.parts) >= PER_SHARD:
            self.flush()

    def flush(self) -> None:
        if not self.parts:
            return
        order = np.random.default_rng(self.count).permutation(len(self.parts))
        blobs = [part for i in order for part in self.parts[i][:3]]
        stem = self.folder / f"{self.name}-{self.count:04d}"
        with open(stem.with_suffix(".bin"), "wb") as file:
            file.writelines(blobs)
        offsets = np.concatenate([[0], np.cumsum([len(b) for b in blobs])]).astype(np.int64)
        cameras = np.array([self.parts[i][3] for i in order], np.float32)
        np.savez(stem.with_suffix(".npz"), offsets=offsets, cameras=cameras)
        self.count += 1
        self.parts = []


Task = tuple[str, str | int, int]
"""Name of the shards, path of a GLB or number of a made-up object, and how many pictures of it."""


Maker = Callable[[Solid, np.random.Generator], Sample | None]
"""One sample of an object; None where its camera shows too little of it."""


def shaded(solid: Solid, camera: Camera, rays: np.ndarray, light: Light) -> np.ndarray:
    """(N, 4) what rays (N, 3) from the camera see: straight colours, and 0 or 1."""
    hits = solid.caster.cast(camera.position.astype(np.float32), rays)
    met = hits.face >= 0
    seen = hits.take(met)
    view = rays[met] / np.linalg.norm(rays[met], axis=1, keepdims=True)
    picture = np.zeros((len(rays), 4), np.float32)
    picture[met, :3] = light.shade(*solid.surface(seen, view), view)
    picture[met, 3] = 1
    return picture


def averaged(picture: np.ndarray, side: int, fine: int) -> np.ndarray:
    """(side, side, 4) straight alpha: the mean of ``fine`` × ``fine`` rays a pixel, of what :func:`shaded` gave."""
    picture = picture.reshape(side, fine, side, fine, 4).mean((1, 3))
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return np.asarray(picture)


def as_webp(picture: np.ndarray) -> bytes:
    """A (H, W, 4) picture in [0, 1] as a file without loss."""
    file = io.BytesIO()
    Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).save(file, "WEBP", lossless=True, method=0, exact=False)
    return file.getvalue()


def work_on(task: Task, salt: str, make: Maker) -> tuple[str, list[Sample]]:
    """The samples of one object; none, and a line, where it cannot be read."""
    split, source, views = task
    rng = np.random.default_rng(zlib.crc32(f"{salt}{source}".encode()))
    try:
        solid = random_solid(rng) if isinstance(source, int) else load_glb(Path(source))
        return split, [sample for sample in (make(solid, rng) for _ in range(views)) if sample is not None]
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        print(f"skipped {source}: {error}", flush=True)
        return split, []


def pack_objects(description: str | None, name: str, views: int, make: Maker) -> None:
    """The command that makes shards ``name``, and ``nameval`` of the families kept for validation."""
    options = object_arguments(description, views).parse_args()
    tasks: list[Task] = [
        (f"{name}val" if is_validation(p.stem) else name, str(p), options.views)
        for p in shuffled(options.objects, 1, options.limit)
    ]
    tasks += [(name, i, options.views) for i in range(options.procedural)]
    pack(tasks, partial(work_on, salt=f"{name} ", make=make), options.out, options.processes)


def object_arguments(description: str | None, views: int) -> argparse.ArgumentParser:
    """The command line of everything that makes shards from a folder of GLBs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path, help="folder of GLB files")
    parser.add_argument("out", type=Path, help="folder for the shards")
    parser.add_argument("--views", type=int, default=views, help="pictures of each object")
    parser.add_argument("--procedural", type=int, default=0, help="add this many made-up objects")
    parser.add_argument("--limit", type=int, help="take only this many GLBs")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    return parser


def shuffled(folder: Path, seed: int, limit: int | None) -> list[Path]:
    """The folder's GLBs in a fixed random order."""
    paths = sorted(folder.glob("*.glb"))
    np.random.default_rng(seed).shuffle(paths)
    return paths[:limit]


def pack(tasks: list[Task], work: Callable[[Task], tuple[str, list[Sample]]], out: Path, processes: int) -> int:
    """Run the tasks on some processes and write their samples as shards; returns how many samples there are."""
    out.mkdir(parents=True, exist_ok=True)
    writers = {name: ShardWriter(out, name) for name in {task[0] for task in tasks}}
    started, made = time.time(), 0
    with multiprocessing.Pool(processes) as pool:
        for done, (split, samples) in enumerate(pool.imap_unordered(work, tasks), 1):
            for sample in samples:
                writers[split].add(sample)
            made += len(samples)
            if done % 50 == 0 or done == len(tasks):
                rate = (time.time() - started) / done
                print(
                    f"{done}/{len(tasks)} objects, {made} samples, {rate:.2f} s an object, "
                    f"{rate * (len(tasks) - done) / 60:.0f} min left",
                    flush=True,
                )
    for writer in writers.values():
        writer.flush()
    return made
