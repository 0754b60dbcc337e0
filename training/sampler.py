"""Endless pictures of packed objects, and what the network must say of each, made on the machine that trains.

Everything of an object stays in the device's memory: mesh, texture, hull. A batch draws objects, cameras, lights and
proportions, rasterises the pictures and reads the targets off the hulls; a GPU makes thousands of samples a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import kernels
from .grid import BINS, RAYS, REACH
from .pack_format import STEPS, TEXELS, read_part

POINTS = 1024
"""Coloured surface points told of a sample."""
TOUCHING = 8192
"""Surface points that mark the cells they lie in."""
HOW_OFTEN = {(1, 1): 0.45, (0, 0): 0.3, (1, 0): 0.15, (0, 1): 0.1}
"""What is told of a camera (elevation; slope and width), and how often."""


@dataclass
class Batch:
    """Attributes:
    picture: (B, 4, RAYS, RAYS), RGB in [-1, 1], zero outside the matte, and the matte, as the network takes it.
    hint: (B, 7), with some entries hidden at random.
    occupancy: (B, RAYS, RAYS, BINS) uint8, 255 for filled; rays outside the matte are empty.
    at, rgb, hidden: (B, POINTS, 3) normalised places, (B, POINTS, 3) colours and (B, POINTS) whether hidden.
    camera: (B, 5) the camera's true numbers: world up in its axes, logarithms of slope and width.
    """

    picture: Tensor
    hint: Tensor
    occupancy: Tensor
    at: Tensor
    rgb: Tensor
    hidden: Tensor
    camera: Tensor


class Objects:
    """Packed objects in a device's memory.

    Args:
        parts: files that :mod:`training.pack` wrote.
        splits: which of their objects to take.
        realistic: names of objects that are drawn twice as often.
    """

    def __init__(
        self,
        parts: list[Path],
        splits: tuple[str, ...],
        device: torch.device,
        realistic: frozenset[str] = frozenset(),
        processes: int = 2,
    ) -> None:
        with ProcessPoolExecutor(min(processes, len(parts))) as pool:
            entries = [e for part in pool.map(read_part, parts) for e in part if e[0] in splits and len(e[2]["faces"])]
        if not entries:
            raise SystemExit(f"No objects of {' or '.join(splits)} in {parts}.")
        self.names = [name for _, name, _ in entries]
        self.device = device
        arrays = [arrays for _, _, arrays in entries]
        weight = np.array([(2.0 if name in realistic else 1.0) for name in self.names])
        weight *= [0.6 if split == "shape" else 1.0 for split, _, _ in entries]
        self.chance = weight / weight.sum()
        self.vertex_count = np.array([len(a["vertices"]) for a in arrays])
        self.face_count = np.array([len(a["faces"]) for a in arrays])
        self.vertex_start = np.cumsum(self.vertex_count) - self.vertex_count
        self.face_start = np.cumsum(self.face_count) - self.face_count
        self.vertices = self._put(np.concatenate([a["vertices"] for a in arrays]).astype(np.float32) / STEPS - 0.5)
        uv = [a["uv"] if len(a["uv"]) else np.zeros((len(a["vertices"]), 2), np.uint16) for a in arrays]
        self.uv = self._put(np.concatenate(uv).astype(np.float32) / TEXELS)
        colours = [np.broadcast_to(a["colours"], (len(a["vertices"]), 3)) for a in arrays]
        self.colours = self._put(np.concatenate(colours))
        self.faces = self._put(np.concatenate([a["faces"] for a in arrays]).astype(np.int32))
        self.share = self._put(np.concatenate([_areas(a) for a in arrays]))
        textures = [a["texture"] for a in arrays]
        sizes = np.array([t.size for t in textures])
        shapes = [t.shape[:2] if t.ndim == 3 else (-1, -1) for t in textures]
        offsets = np.where(sizes > 0, np.cumsum(sizes) - sizes, -1)
        self.texture = self._put(np.array([[o, *s] for o, s in zip(offsets, shapes, strict=True)], np.int64))
        self.texels = self._put(np.concatenate([t.ravel() for t in textures] + [np.zeros(4, np.uint8)]))
        volumes = np.array([a["hull"].size for a in arrays])
        boxes = np.array([a["box"] for a in arrays], np.int64)
        self.hull = self._put(np.column_stack([np.cumsum(volumes) - volumes, boxes]).astype(np.int64))
        self.hulls = self._put(np.concatenate([a["hull"].ravel() for a in arrays]))
        self.frame = self._put(np.stack([a["frame"] for a in arrays]).astype(np.float32))

    def _put(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def __len__(self) -> int:
        return len(self.names)


def _areas(entry: dict[str, np.ndarray]) -> np.ndarray:
    """(F,) share of the seen surface up to and with each face."""
    corners = entry["vertices"].astype(np.float64)[entry["faces"]]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    seen = area * entry["seen"]
    total = np.cumsum(seen if seen.sum() > 0 else area + 1e-9)
    return (total / total[-1]).astype(np.float32)


class Sampler:
    """Draws batches of an :class:`Objects`.

    Args:
        deform: whether objects are also shown in other proportions.
    """

    def __init__(self, objects: Objects, size: int, seed: int, augment: bool = True) -> None:
        self.objects, self.size, self.augment = objects, size, augment
        self._rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.draw()

    def draw(self, chosen: np.ndarray | None = None) -> Batch:
        """One batch, of given or of random objects."""
        objects, rng, device = self.objects, self._rng, self.objects.device
        if chosen is None:
            chosen = rng.choice(len(objects), self.size, p=objects.chance)
        drawn = Drawn(objects, chosen, rng, self.augment)
        seen = drawn.picture()
        occupancy = drawn.occupancy(seen)
        at, rgb, hidden = drawn.points(occupancy)
        rgba, camera = seen.clone(), drawn.numbers()
        if self.augment:
            rgba, occupancy, at, rgb, camera = _recoloured(rgba, occupancy, at, rgb, camera, rng)
        kinds = list(HOW_OFTEN)
        known = np.ones((len(chosen), 2))
        if self.augment:
            known = np.array(kinds)[rng.choice(len(kinds), len(chosen), p=list(HOW_OFTEN.values()))]
        told = torch.from_numpy(known.astype(np.float32)).to(device)
        hint = torch.cat([camera[:, :3] * told[:, :1], camera[:, 3:] * told[:, 1:], told], 1)
        alpha = rgba[:, 3:]
        picture = torch.cat([(rgba[:, :3] * 2 - 1) * alpha, alpha], 1)
        return Batch(picture, hint, occupancy, at, rgb, hidden, camera)


def _recoloured(
    rgba: Tensor, occupancy: Tensor, at: Tensor, rgb: Tensor, camera: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Half of all mirrored; the colour channels of most in another order, all with another gain and gamma."""
    device, count = rgba.device, len(rgba)
    flip = torch.from_numpy(rng.random(count) < 0.5).to(device)
    rgba = torch.where(flip[:, None, None, None], rgba.flip(3), rgba)
    occupancy = torch.where(flip[:, None, None, None], occupancy.flip(2), occupancy)
    sign = torch.where(flip, -1.0, 1.0)[:, None]
    at = torch.cat([at[..., :1] * sign[..., None], at[..., 1:]], -1)
    camera = torch.cat([camera[:, :1] * sign, camera[:, 1:]], 1)
    order = np.where(
        rng.random((count, 1)) < 0.6, rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1), np.arange(3)
    )
    gain = torch.from_numpy(rng.uniform(0.75, 1.25, (count, 3)).astype(np.float32)).to(device)
    gamma = torch.from_numpy(rng.uniform(0.8, 1.25, (count, 1)).astype(np.float32)).to(device)
    index = torch.from_numpy(order.astype(np.int64)).to(device)
    colour = torch.gather(rgba[:, :3], 1, index[:, :, None, None].expand_as(rgba[:, :3]))
    colour = (colour * gain[:, :, None, None]).clamp(1e-5, 1) ** gamma[:, :, None, None]
    rgb = torch.gather(rgb, 2, index[:, None, :].expand_as(rgb))
    rgb = (rgb * gain[:, None]).clamp(1e-5, 1) ** gamma[:, :, None]
    return torch.cat([colour, rgba[:, 3:]], 1), occupancy, at, rgb, camera


class Drawn:
    """Some objects under random cameras and lights, ready for the kernels."""

    def __init__(self, objects: Objects, chosen: np.ndarray, rng: np.random.Generator, augment: bool) -> None:
        device, count = objects.device, len(chosen)
        self._objects, self._count, self._rng, self._device = objects, count, rng, device

        def put(values: np.ndarray, dtype: type = np.float32) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values.astype(dtype))).to(device)

        vertices, faces = objects.vertex_count[chosen], objects.face_count[chosen]
        self._nv, self._nf = int(vertices.sum()), int(faces.sum())
        vertex_base, face_base = np.cumsum(vertices) - vertices, np.cumsum(faces) - faces
        owner = torch.repeat_interleave(put(np.arange(count), np.int64), put(vertices, np.int64), output_size=self._nv)
        vertex = (
            torch.arange(self._nv, device=device) + put(objects.vertex_start[chosen] - vertex_base, np.int64)[owner]
        )
        whose = torch.repeat_interleave(put(np.arange(count), np.int64), put(faces, np.int64), output_size=self._nf)
        face = torch.arange(self._nf, device=device) + put(objects.face_start[chosen] - face_base, np.int64)[whose]
        self._faces = (objects.faces[face] + put(vertex_base, np.int32)[whose][:, None]).contiguous()
        self._share = objects.share[face]
        self._first = put(np.append(face_base, self._nf), np.int64)

        # Proportions: stretched, tapered along the height, now and then bent.
        stretch, taper, bend = _proportions(count, rng, augment)
        q = objects.vertices[vertex]
        q = torch.einsum("vij,vj->vi", put(stretch)[owner], q)
        tapers, bends = put(taper)[owner], put(bend)[owner]
        height = q[:, 1:2]
        q = torch.cat([q[:, :1], height, q[:, 2:]], 1) * torch.cat(
            [1 + tapers[:, None] * height, torch.ones_like(height), 1 + tapers[:, None] * height], 1
        )
        q[:, 0] += bends[:, 0] * height[:, 0] ** 2
        q[:, 2] += bends[:, 1] * height[:, 0] ** 2
        index = owner[:, None].expand(-1, 3)
        low = torch.full((count, 3), 9.0, device=device).scatter_reduce(0, index, q, "amin")
        high = torch.full((count, 3), -9.0, device=device).scatter_reduce(0, index, q, "amax")
        middle, diagonal = (low + high) / 2, (high - low).norm(dim=1, keepdim=True)
        place = (q - middle[owner]) / diagonal[owner]
        self._undo = torch.cat(
            [
                *(diagonal, middle, put(taper)[:, None], put(bend), torch.zeros_like(diagonal)),
                *(put(np.linalg.inv(stretch).reshape(count, 9)), torch.zeros(count, 3, device=device)),
            ],
            1,
        ).contiguous()

        self._aim(place, owner, rng, put)
        corner = place[self._faces.long()]
        normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        normals = torch.zeros_like(place)
        for k in range(3):
            normals.index_add_(0, self._faces[:, k].long(), normal)
        self._pointers = kernels.BatchPointers(
            place.contiguous(),
            self._screen,
            normals,
            objects.uv[vertex].contiguous(),
            objects.colours[vertex].contiguous(),
            self._faces,
            whose.int(),
            objects.texture[put(chosen, np.int64)].contiguous(),
            objects.texels,
            put(_lights(count, rng)),
            self._camera,
        )
        self._shapes = kernels.ShapePointers(
            self._undo,
            objects.hulls,
            objects.hull[put(chosen, np.int64)].contiguous(),
            objects.frame[put(chosen, np.int64)].contiguous(),
        )
        self._cells = torch.full((count, 2 * RAYS, 2 * RAYS), -1, dtype=torch.int64, device=device)
        kernels.call("rasterise", device, self._pointers, kernels.count(self._nf), self._cells, 2 * RAYS)

    def _aim(self, place: Tensor, owner: Tensor, rng: np.random.Generator, put) -> None:  # type: ignore[no-untyped-def]
        """Cameras on random orbits, aimed and zoomed at the outlines as the engine would."""
        count, device = self._count, self._device
        fov = np.radians(rng.uniform(20, 60, count))
        elevation = np.radians(
            np.where(rng.random(count) < 0.6, rng.uniform(0, 35, count), rng.uniform(-10, 50, count))
        )
        distance = np.maximum(0.5 / np.tan(fov / 2) * rng.uniform(1.0, 1.5, count), 0.75)
        # glTF's front is +z, and pictures are mostly taken from somewhere near the front.
        azimuth = np.radians(np.where(rng.random(count) < 0.55, rng.normal(0, 25, count), rng.uniform(0, 360, count)))
        back = np.stack(
            [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], 1
        )
        right = np.stack([np.cos(azimuth), np.zeros(count), -np.sin(azimuth)], 1)
        rotation = put(np.stack([right, -np.cross(back, right), -back], 2))  # columns right, down, forward
        eye = put(back * distance[:, None])
        local = torch.einsum("vi,vij->vj", place - eye[owner], rotation[owner])
        plane = local[:, :2] / local[:, 2:]
        index = owner[:, None].expand(-1, 2)
        low = torch.full((count, 2), 9.0, device=device).scatter_reduce(0, index, plane, "amin")
        high = torch.full((count, 2), -9.0, device=device).scatter_reduce(0, index, plane, "amax")
        turn = _turn_to((low + high) / 2)
        corners = torch.stack([torch.stack([x[:, 0], y[:, 1]], 1) for x in (low, high) for y in (low, high)], 1)
        corners = torch.cat([corners, torch.ones_like(corners[..., :1])], 2) @ turn
        slope = (corners[..., :2] / corners[..., 2:]).abs().amax((1, 2)) * put(rng.uniform(1.04, 1.25, count))
        axes = rotation @ turn
        centre = -(eye[:, None] @ axes)[:, 0, 2]
        slope = torch.maximum(slope, put(rng.choice([0.0, 0.55, 0.55, 0.7], count)) / 2 / centre)
        local = torch.einsum("vi,vij->vj", place - eye[owner], axes[owner])
        tangent = local[:, :2] / (local[:, 2:] * slope[owner][:, None])
        self._screen = torch.cat([(tangent + 1) / 2, local[:, 2:]], 1).contiguous()
        self._slope, self._width, self._up = slope, 2 * centre * slope, axes[:, 1]
        self._camera = torch.cat(
            [
                *(eye, axes.transpose(1, 2).reshape(count, 9), slope[:, None], centre[:, None]),
                *(self._width[:, None], torch.zeros(count, 1, device=device)),
            ],
            1,
        ).contiguous()

    def numbers(self) -> Tensor:
        """(B, 5) world up in the camera's axes, logarithms of the window's slope and width."""
        return torch.cat([self._up, torch.log(torch.stack([self._slope, self._width], 1))], 1)

    def cameras(self) -> Tensor:
        """(B, 16) as the kernels read them: eye, right, down, forward, slope, centre, width, unused."""
        return self._camera

    def picture(self) -> Tensor:
        """(B, 4, RAYS, RAYS) straight colours and alpha in [0, 1]."""
        out = torch.empty(self._count, 4, RAYS, RAYS, device=self._device)
        kernels.call("picture", self._device, self._pointers, kernels.count(self._count), self._cells, out, 2 * RAYS)
        return out

    def occupancy(self, picture: Tensor) -> Tensor:
        """(B, RAYS, RAYS, BINS) uint8."""
        out = torch.zeros(self._count, RAYS, RAYS, BINS, dtype=torch.uint8, device=self._device)
        kernels.call(
            "occupancy",
            self._device,
            self._pointers,
            self._shapes,
            kernels.count(self._count),
            picture,
            self._cells,
            2 * RAYS,
            out,
            RAYS,
            BINS,
            REACH,
        )
        return out

    def points(self, occupancy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Places (B, POINTS, 3), colours (B, POINTS, 3), hidden (B, POINTS); thin parts are filled in ``occupancy``."""
        at, rgb = (torch.empty(self._count, POINTS, 3, device=self._device) for _ in range(2))
        hidden = torch.empty(self._count, POINTS, device=self._device)
        kernels.call(
            "points",
            self._device,
            self._pointers,
            kernels.count(self._count),
            self._cells,
            2 * RAYS,
            self._share,
            self._first,
            occupancy,
            RAYS,
            BINS,
            REACH,
            TOUCHING,
            POINTS,
            at,
            rgb,
            hidden,
            kernels.seed(int(self._rng.integers(2**62))),
        )
        return at, rgb, hidden


def _proportions(count: int, rng: np.random.Generator, augment: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B, 3, 3) stretch, (B,) taper a unit of height, (B, 2) bend a squared unit of height."""
    if not augment:
        return np.tile(np.eye(3), (count, 1, 1)), np.zeros(count), np.zeros((count, 2))
    amount = np.where(rng.random((count, 1)) < 0.6, rng.uniform(-0.25, 0.25, (count, 3)), 0)
    stretch = np.exp(amount)[:, :, None] * np.eye(3)
    taper = np.where(rng.random(count) < 0.2, rng.uniform(-0.6, 0.6, count), 0)
    bend = np.where(rng.random((count, 1)) < 0.1, rng.uniform(-0.5, 0.5, (count, 2)), 0)
    return stretch, taper, bend


def _lights(count: int, rng: np.random.Generator) -> np.ndarray:
    """(B, 16) as the kernels read them: three in ten unlit, else up to two lamps, now and then a gloss."""
    light = np.zeros((count, 16))
    light[:, 0] = 1
    light[:, 9:12] = 1 + rng.normal(0, 0.03, (count, 3))
    lit = rng.random(count) >= 0.3
    ambient, lamps = rng.uniform(0.35, 0.85, count), rng.integers(0, 3, count)
    light[:, 0] = np.where(lit, ambient, 1)
    light[:, 1] = np.where(lit, np.where(lamps == 0, 1 - ambient, rng.uniform(0, 0.3, count)), 0)
    for k in (0, 1):
        lamp = rng.normal(size=(count, 3))
        lamp[:, 1] = np.abs(lamp[:, 1]) + 0.3
        lamp *= ((1.05 - ambient) / np.linalg.norm(lamp, axis=1))[:, None]
        light[:, 2 + 3 * k : 5 + 3 * k] = lamp * (lit & (lamps > k))[:, None]
    light[:, 8] = np.where(lit, rng.choice([0, 0, 0.25], count), 0)
    return light


def _turn_to(aim: Tensor) -> Tensor:
    """(B, 3, 3): columns are the axes, in the camera, of the camera turned the least way to look at (x, y, 1)."""
    forward = torch.nn.functional.normalize(torch.cat([aim, torch.ones_like(aim[:, :1])], 1), dim=1)
    skew = torch.zeros(len(aim), 3, 3, device=aim.device)
    skew[:, 0, 2], skew[:, 1, 2] = forward[:, 0], forward[:, 1]
    skew[:, 2, 0], skew[:, 2, 1] = -forward[:, 0], -forward[:, 1]
    return torch.eye(3, device=aim.device) + skew + skew @ skew / (1 + forward[:, 2])[:, None, None]
