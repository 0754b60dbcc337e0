"""Objects made up on the spot: lathes, extrusions, blobs and bars, put together, often symmetrically.

LRM-Zero (Xie et al., 2024) trained a large reconstruction model on such shapes alone; here they widen what a
few thousand real objects show. Every part has its own pattern in one texture.
"""

from __future__ import annotations

import numpy as np
import trimesh
from scipy import ndimage

from .objects import Solid

TILE = 64


def _lathe(rng: np.random.Generator) -> trimesh.Trimesh:
    steps = int(rng.integers(3, 9))
    radius = np.abs(np.cumsum(rng.normal(0, 0.25, steps)) + rng.uniform(0.2, 1)) + 0.05
    profile = np.stack([radius, np.linspace(-1, 1, steps)], 1)
    if rng.random() < 0.6:
        fine = np.linspace(0, steps - 1, 24)
        profile = np.stack([np.interp(fine, np.arange(steps), profile[:, i]) for i in (0, 1)], 1)
        profile[:, 0] = ndimage.gaussian_filter1d(profile[:, 0], 2)
    profile = np.concatenate([[[0, profile[0, 1]]], profile, [[0, profile[-1, 1]]]])
    mesh = trimesh.creation.revolve(profile, sections=int(rng.choice([4, 6, 8, 32])))
    mesh.vertices = mesh.vertices[:, [0, 2, 1]]
    return mesh


def _extrusion(rng: np.random.Generator) -> trimesh.Trimesh:
    count = int(rng.integers(3, 12))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count)) if rng.random() < 0.5 else np.arange(count) / count * 2 * np.pi
    radius = rng.uniform(0.4, 1, count) if rng.random() < 0.7 else np.ones(count)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    depth, taper = rng.uniform(0.1, 1), rng.uniform(0.5, 1.2)
    vertices = np.concatenate(
        [
            np.column_stack([ring, np.full(count, -depth)]),
            np.column_stack([ring * taper, np.full(count, depth)]),
            [[0, 0, -depth], [0, 0, depth]],
        ]
    )
    i, j = np.arange(count), (np.arange(count) + 1) % count
    faces = np.concatenate(
        [
            np.column_stack([i, j, j + count]),
            np.column_stack([i, j + count, i + count]),
            np.column_stack([j, i, np.full(count, 2 * count)]),
            np.column_stack([i + count, j + count, np.full(count, 2 * count + 1)]),
        ]
    )
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    mesh.vertices = mesh.vertices[:, rng.permutation(3)]
    return mesh


def _blob(rng: np.random.Generator) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    unit = mesh.vertices.copy()
    bumps = np.ones(len(unit))
    for _ in range(int(rng.integers(0, 5))):
        bumps += rng.uniform(-0.35, 0.5) * np.exp(
            -((unit - trimesh.unitize(rng.normal(size=3))) ** 2).sum(1) / rng.uniform(0.1, 0.8)
        )
    mesh.vertices = unit * np.maximum(bumps, 0.2)[:, None]
    return mesh


def _box(rng: np.random.Generator) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((2, 2, 2))
    if rng.random() < 0.4:
        top = mesh.vertices[:, 1] > 0
        mesh.vertices[top] *= [rng.uniform(0.3, 1), 1, rng.uniform(0.3, 1)]
    return mesh


def _bar(rng: np.random.Generator) -> trimesh.Trimesh:
    if rng.random() < 0.3:
        return trimesh.creation.torus(1, rng.uniform(0.08, 0.4), major_sections=24, minor_sections=10)
    mesh = trimesh.creation.cylinder(rng.uniform(0.05, 0.35), 2, sections=int(rng.choice([4, 6, 16])))
    return mesh


_PARTS = (_lathe, _extrusion, _blob, _box, _box, _bar)


def _noise(rng: np.random.Generator, across: float, down: float) -> np.ndarray:
    """(TILE, TILE) smooth noise in about [0, 1] that repeats; ``across`` and ``down`` are its grain in pixels."""
    noise = ndimage.gaussian_filter(rng.normal(size=(TILE, TILE)), (down, across), mode="wrap")
    return np.clip(0.5 + noise / (4 * noise.std() + 1e-9), 0, 1)


def _stripes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x * rng.uniform(2, 10) + y * rng.uniform(-6, 6)) % 1 < 0.5).astype(float)


def _checks(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = rng.integers(2, 8)
    return (((x * k).astype(int) + (y * k).astype(int)) % 2).astype(float)


def _clouds(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    grain = rng.uniform(1, 6)
    return 1 / (1 + np.exp(-(_noise(rng, grain, grain) - 0.5) * rng.uniform(4, 32)))


def _fade(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y


def _plain(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.zeros_like(x)


def _wood(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rings = (x * rng.uniform(3, 9) + _noise(rng, 3, 14) * rng.uniform(0.5, 2)) % 1
    return 0.7 * rings + 0.3 * _noise(rng, 0.6, 6)


def _fabric(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = 2 * np.pi * rng.integers(6, 16)
    return 0.5 + 0.25 * (np.sin(x * k) + np.sin(y * k)) * _noise(rng, 3, 3)


def _label(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A block of colour with lines that look like print."""
    rows = rng.integers(4, 10)
    print_ = ((y * rows) % 1 > 0.4) & (_noise(rng, 1.2, 0.1) > 0.45)
    left, top = rng.uniform(0.05, 0.3, 2)
    block = (x > left) & (x < 1 - left) & (y > top) & (y < 1 - top)
    return np.where(block, np.where(print_, 0.15, 1.0), 0.0)


def _brick(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = rng.integers(4, 9)
    row = np.floor(y * k)
    joint = ((y * k) % 1 < 0.12) | ((x * k / 2 + row / 2) % 1 < 0.07)
    return np.where(joint, 1.0, 0.35 * _noise(rng, 2, 2))


def _brushed(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.4 * _noise(rng, 12, 0.5) + 0.4 * _noise(rng, 8, 8)


def _spots(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = rng.integers(3, 8)
    return (((x * k) % 1 - 0.5) ** 2 + ((y * k) % 1 - 0.5) ** 2 < rng.uniform(0.03, 0.16)).astype(float)


_PATTERNS = (_stripes, _checks, _clouds, _fade, _plain, _plain) + (_wood, _fabric, _label, _brick, _brushed, _spots) * 2


def _pattern(rng: np.random.Generator) -> np.ndarray:
    """(TILE, TILE, 3) one material: two colours, often of one hue, and what lies between them."""
    base = rng.uniform(0, 1, 3) ** rng.uniform(0.5, 2)
    other = rng.uniform(0, 1, 3) ** rng.uniform(0.5, 2)
    if rng.random() < 0.5:
        other = np.clip(base * rng.uniform(0.3, 1.7) + rng.normal(0, 0.05, 3), 0, 1)
    y, x = np.mgrid[:TILE, :TILE] / TILE
    mask = _PATTERNS[rng.integers(len(_PATTERNS))](rng, x, y)
    mask = mask.T if rng.random() < 0.5 else mask
    return base * (1 - mask[..., None]) + other * mask[..., None]


def random_solid(rng: np.random.Generator) -> Solid:
    """One made-up object of one to ten parts; half are mirrored left to right, some repeat around an axis."""
    meshes: list[trimesh.Trimesh] = []
    for index in range(int(rng.integers(1, 6))):
        mesh = _PARTS[rng.integers(len(_PARTS))](rng)
        mesh.metadata["pattern"] = index
        mesh.apply_scale(rng.uniform(0.25, 1, 3) * (1 if index == 0 else rng.uniform(0.2, 0.8)))
        if rng.random() < 0.4:
            mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
        offset = rng.normal(0, 0.55, 3) if index else np.zeros(3)
        copies = 1 if not index else int(rng.choice([1, 2, 2, 4]))
        mesh.apply_translation(offset)
        for copy in range(copies):
            twin = mesh.copy()
            if copy % 2:
                twin.vertices[:, 0] *= -1
            if copy // 2:
                twin.vertices[:, 2] *= -1
            meshes.append(twin)
    turn = trimesh.transformations.rotation_matrix(rng.uniform(0, 2 * np.pi), [0, 1, 0])
    tiles = 1 + max(m.metadata["pattern"] for m in meshes)
    texture = np.concatenate([_pattern(rng) for _ in range(tiles)]).astype(np.float32)
    vertices, faces, normals, uvs, start = [], [], [], [], 0
    for mesh in meshes:
        if rng.random() < 0.6:
            mesh.unmerge_vertices()
        axes = np.argsort(-np.ptp(mesh.vertices, axis=0))[:2]
        flat = (mesh.vertices[:, axes] - mesh.vertices[:, axes].min(0)) / (
            np.ptp(mesh.vertices[:, axes], axis=0) + 1e-9
        )
        v = 1 - (mesh.metadata["pattern"] + 0.02 + 0.96 * flat[:, 1]) / tiles
        uvs.append(np.column_stack([0.01 + 0.98 * flat[:, 0], v]))
        mesh.apply_transform(turn)
        vertices.append(mesh.vertices)
        normals.append(mesh.vertex_normals)
        faces.append(mesh.faces + start)
        start += len(mesh.vertices)
    total = np.concatenate(vertices)
    return Solid(
        total,
        np.concatenate(faces),
        np.concatenate(normals).astype(np.float32),
        np.ones((len(total), 3), np.float32),
        np.concatenate(uvs).astype(np.float32),
        texture,
    )
