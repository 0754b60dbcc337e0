"""Make training shards from a folder of GLBs: ``python -m training.data OBJECTS OUT``.

One sample is a picture of an object under a random camera and light, framed as the engine frames it, and
what the network must say about it: the occupancy of the framed camera's frustum, coloured points of the
surface that the picture does not show, and the camera. Everything is ray cast once and packed; the loop
(:mod:`training.train`) only decompresses.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import multiprocessing
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from scipy import ndimage

from orbitview.cameras import Camera
from orbitview.engines.lift.frustum import Frustum
from orbitview.render import Hits

from .objects import Solid, is_validation, load_glb
from .shapes import random_solid

PICTURE = 128
"""Side of the stored pictures."""
POINTS = 1024
"""Coloured surface points per sample; about seven in ten are hidden from the camera."""
HULL = 80
"""Voxels along the object's longest side in the visual hull."""
STRETCH = 0.25
"""Most that the logarithms of an object's width, height and depth change where it is shown in other proportions."""
PER_SHARD = 768
"""Samples in one shard."""

Sample = tuple[bytes, bytes, bytes, list[float]]
"""Picture, two further blobs, and numbers of its camera."""

_DIRECTIONS = trimesh.creation.icosphere(subdivisions=1).vertices.astype(np.float32)


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


@dataclass
class Shell:
    """What can be seen of an object from outside: points on its surface, and its visual hull."""

    points: np.ndarray
    albedo: np.ndarray
    normals: np.ndarray
    hull: np.ndarray
    origin: np.ndarray
    voxel: float

    @classmethod
    def of(cls, solid: Solid, rng: np.random.Generator, resolution: int = 128) -> Shell:
        """Depth pictures from 42 directions carve a grid (visual hull of what no picture sees through)."""
        low, high = solid.vertices.min(0), solid.vertices.max(0)
        voxel = float((high - low).max() / HULL)
        shape = np.maximum(np.ceil((high - low) / voxel).astype(int), 1) + 2
        origin = (low + high) / 2 - shape * voxel / 2
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1).reshape(-1, 3)
        centres = (origin + (grid + 0.5) * voxel).astype(np.float32)
        alive = np.arange(len(centres))
        seen: list[tuple[np.ndarray, Hits, np.ndarray]] = []
        axis = (np.arange(resolution, dtype=np.float32) + 0.5) / resolution * 1.02 - 0.51
        for towards in -_DIRECTIONS:
            side = np.cross(towards, [0, 1, 0] if abs(towards[1]) < 0.9 else [1, 0, 0])
            side = (side / np.linalg.norm(side)).astype(np.float32)
            up = np.cross(side, towards)
            starts = (axis[None, :, None] * side + axis[:, None, None] * up - towards).reshape(-1, 3)
            rays = np.broadcast_to(towards, starts.shape)
            hits = solid.caster.cast(starts, rays)
            met = hits.face >= 0
            seen.append(
                (
                    starts[met] + hits.distance[met, None] * towards,
                    Hits(hits.face[met], hits.u[met], hits.v[met], hits.distance[met]),
                    rays[met],
                )
            )
            at = centres @ np.stack([side, up, towards], 1).astype(np.float32)
            pixel = ((at[:, :2] + 0.51) * (resolution / 1.02)).astype(np.int32).clip(0, resolution - 1)
            depth = hits.distance[pixel[:, 1] * resolution + pixel[:, 0]]
            inside = at[:, 2] + 1 >= depth - 0.6 * voxel
            alive, centres = alive[inside], centres[inside]
        hull = np.zeros(int(shape.prod()), np.float32)
        hull[alive] = 1
        hull = hull.reshape(shape)
        points = np.concatenate([s[0] for s in seen])
        cells = np.clip(((points - origin) / voxel).astype(int), 0, shape - 1)
        hull[tuple(cells.T)] = 1
        keep = rng.permutation(len(points))[:30000]
        faces, us, vs = (np.concatenate([getattr(s[1], k) for s in seen])[keep] for k in ("face", "u", "v"))
        albedo, normals = solid.surface(Hits(faces, us, vs, us), np.concatenate([s[2] for s in seen])[keep])
        return cls(points[keep].astype(np.float32), albedo, normals, ndimage.gaussian_filter(hull, 0.8), origin, voxel)


def random_frustum(solid: Solid, rng: np.random.Generator) -> tuple[Frustum, Camera]:
    """A camera on a random orbit, aimed and zoomed at the object's outline as the engine would."""
    fov = rng.uniform(20, 60)
    elevation = rng.uniform(0, 35) if rng.random() < 0.6 else rng.uniform(-10, 50)
    distance = max(0.5 / math.tan(math.radians(fov / 2)) * rng.uniform(1.0, 1.5), 0.75)
    # glTF's front is +z, and pictures are mostly taken from somewhere near the front.
    azimuth = rng.normal(0, 25) if rng.random() < 0.55 else rng.uniform(0, 360)
    camera = Camera(azimuth, elevation, distance, fov)
    floor = rng.choice([0.0, 0.55, 0.55, 0.7])
    margin = rng.uniform(1.04, 1.25)
    return Frustum.around(solid.vertices, camera, margin=margin, floor=floor), camera


def render_input(solid: Solid, frustum: Frustum, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """(PICTURE, PICTURE, 4) uint8, straight alpha, four rays a pixel; and the points (N, 3) that they met."""
    size = PICTURE * 2
    rays = frustum.rays(size).reshape(-1, 3)
    hits = solid.caster.cast(frustum.eye, rays)
    met = hits.face >= 0
    met_hits = Hits(hits.face[met], hits.u[met], hits.v[met], hits.distance[met])
    view = rays[met] / np.linalg.norm(rays[met], axis=1, keepdims=True)
    picture = np.zeros((size * size, 4), np.float32)
    picture[met, :3] = light.shade(*solid.surface(met_hits, view), view)
    picture[met, 3] = 1
    picture = picture.reshape(PICTURE, 2, PICTURE, 2, 4).mean((1, 3))
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return (picture * 255 + 0.5).astype(np.uint8), frustum.eye + hits.distance[met, None] * rays[met]


def frustum_occupancy(shell: Shell, frustum: Frustum, seen: np.ndarray) -> np.ndarray:
    """(bins, grid, grid) uint8: how much of each frustum cell is filled, 255 for all of it.

    Args:
        seen: (N, 3) points of the surface that the picture shows.
    """
    cells = frustum.cell_centres()
    coordinates = ((cells - shell.origin) / shell.voxel - 0.5).reshape(-1, 3).T
    filled = ndimage.map_coordinates(shell.hull, coordinates, order=1, cval=0.0).reshape(cells.shape[:3])
    # Sheets and rods thinner than a cell would average away; their cells count as filled.
    index = frustum.cell_index(np.concatenate([shell.points, seen]))
    inside = ((index >= 0) & (index < np.array(filled.shape))).all(1)
    touched = np.zeros(filled.shape, bool)
    touched[tuple(index[inside].T)] = True
    thin = touched & (ndimage.maximum_filter1d(filled, 3, axis=0) < 0.6)
    filled[thin] = 1.0
    return np.clip(filled * 255 + 0.5, 0, 255).astype(np.uint8)


def hidden_points(solid: Solid, shell: Shell, frustum: Frustum, light: Light, rng: np.random.Generator) -> np.ndarray:
    """(POINTS,) records of position in the frustum (u, v, s in [-1, 1], float16), colour and hiddenness."""
    chosen = rng.choice(len(shell.points), 6 * POINTS)
    points = shell.points[chosen]
    towards = points - frustum.eye
    hidden = solid.caster.cast(frustum.eye, towards).distance < 0.985
    pick = np.concatenate([np.flatnonzero(hidden)[: int(0.7 * POINTS)], np.flatnonzero(~hidden)[:POINTS]])[:POINTS]
    pick = np.resize(pick, POINTS)
    record = np.zeros(POINTS, [("at", "<f2", 3), ("rgb", "u1", 3), ("hidden", "u1")])
    record["at"] = frustum.normalised(points[pick])
    colour = light.shade(shell.albedo[chosen[pick]], shell.normals[chosen[pick]], None)
    record["rgb"] = (colour * 255 + 0.5).astype(np.uint8)
    record["hidden"] = hidden[pick]
    return record


def samples_of(solid: Solid, views: int, rng: np.random.Generator) -> list[Sample]:
    """``views`` samples of one object: picture, occupancy, points, and the camera's numbers."""
    shell = Shell.of(solid, rng)
    made = []
    for _ in range(views):
        frustum, _camera = random_frustum(solid, rng)
        light = Light.random(rng)
        picture, seen = render_input(solid, frustum, light)
        if (picture[..., 3] > 127).sum() < 300:
            continue
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", lossless=True, method=0, exact=False)
        occupancy = zlib.compress(frustum_occupancy(shell, frustum, seen).tobytes(), 1)
        points = hidden_points(solid, shell, frustum, light, rng)
        made.append((file.getvalue(), occupancy, points.tobytes(), frustum.numbers()))
    return made


def stretched_samples_of(solid: Solid, views: int, rng: np.random.Generator) -> list[Sample]:
    """The same of the object in other proportions: shapes that the folder lacks, for a network that saw all it has."""
    return samples_of(solid.transformed(np.diag(np.exp(rng.uniform(-STRETCH, STRETCH, 3)))), views, rng)


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


def work_on(
    task: Task, salt: str, make: Callable[[Solid, int, np.random.Generator], list[Sample]]
) -> tuple[str, list[Sample]]:
    """The samples of one object; none, and a line, where it cannot be read."""
    split, source, views = task
    rng = np.random.default_rng(zlib.crc32(f"{salt}{source}".encode()))
    try:
        return split, make(random_solid(rng) if isinstance(source, int) else load_glb(Path(source)), views, rng)
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        print(f"skipped {source}: {error}", flush=True)
        return split, []


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


def _work(task: Task) -> tuple[str, list[Sample]]:
    if task[0] == "stretched":
        return work_on(task, "stretched", stretched_samples_of)
    return work_on(task, "", samples_of)


def main() -> None:
    parser = object_arguments(__doc__, 12)
    parser.add_argument("--stretched", type=int, default=0, help="so many more pictures of each in other proportions")
    options = parser.parse_args()
    paths = shuffled(options.objects, 0, options.limit)
    tasks: list[Task] = [
        ("val" if is_validation(p.stem) else "train", str(p), 4 if is_validation(p.stem) else options.views)
        for p in paths
    ]
    if options.stretched:
        tasks += [("stretched", str(p), options.stretched) for p in paths if not is_validation(p.stem)]
    tasks += [("shape", i, 4) for i in range(options.procedural)]
    made = pack(tasks, _work, options.out, options.processes)
    (options.out / "about.json").write_text(
        json.dumps({"objects": len(tasks), "samples": made, "views": options.views})
    )


if __name__ == "__main__":
    main()
