"""A textured mesh that answers "what colour is the surface here": from a GLB, or made by :mod:`training.shapes`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import trimesh

from orbitview.render import Caster, Hits, make_caster

VALIDATION = frozenset(Path(__file__).with_name("validation.txt").read_text().split())
"""Families of objects that are kept out of training: none has more than five members, a third is realistic."""


def family(name: str) -> str:
    """What an object is, without its source and variant: ``quat__rpg-Sword_big_2`` gives ``sword``."""
    last = re.split(r"__|-", name)[-1]
    words = [w for w in re.split(r"[^A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", last)) if len(w) > 2]
    return (words[0] if words else last).lower()


def is_validation(name: str) -> bool:
    """Whether the object's whole family belongs to the validation part."""
    return family(name) in VALIDATION


@dataclass
class Solid:
    """A mesh of unit bounding-box diagonal around the origin, with its colours.

    Attributes:
        vertices, faces: (V, 3) and (F, 3).
        normals: (V, 3) shading normals.
        uv, texture: (V, 2) texture coordinates and (H, W, 3) picture in [0, 1], or None.
        colours: (V, 3) in [0, 1]; multiplied with the texture where there is one.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None

    def __post_init__(self) -> None:
        low, high = self.vertices.min(0), self.vertices.max(0)
        self.vertices = ((self.vertices - (low + high) / 2) / np.linalg.norm(high - low)).astype(np.float32)

    @cached_property
    def caster(self) -> Caster:
        """Made when it is first asked for: most objects are read only to be turned or stretched."""
        return make_caster(self.vertices, self.faces)

    def transformed(self, matrix: np.ndarray) -> Solid:
        """The same object turned or stretched by a (3, 3) matrix."""
        normals = self.normals @ np.linalg.inv(matrix)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        return replace(self, vertices=self.vertices @ matrix.T, normals=normals.astype(np.float32))

    def interpolate(self, values: np.ndarray, face: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Per-vertex values at points given by face and barycentric weights."""
        corner = values[self.faces[face]]
        return (corner[:, 0] * (1 - u - v)[:, None] + corner[:, 1] * u[:, None] + corner[:, 2] * v[:, None]).astype(
            np.float32
        )

    def surface(self, hits: Hits, towards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Albedo and unit normal (turned to face against ``towards``) at hits that all lie on the mesh."""
        albedo = self.interpolate(self.colours, hits.face, hits.u, hits.v)
        if self.texture is not None and self.uv is not None:
            albedo *= sample_texture(self.texture, self.interpolate(self.uv, hits.face, hits.u, hits.v))
        normal = self.interpolate(self.normals, hits.face, hits.u, hits.v)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        normal *= -np.sign((normal * towards).sum(1, keepdims=True) + 1e-12)
        return albedo, normal


def sample_texture(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear lookup with wrap-around; v points up as in glTF loaded by trimesh."""
    height, width = texture.shape[:2]
    x = np.mod(uv[:, 0], 1.0) * width - 0.5
    y = np.mod(1.0 - uv[:, 1], 1.0) * height - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[:, None].astype(np.float32), (y - y0)[:, None].astype(np.float32)
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    x0, y0 = x0 % width, y0 % height
    top = texture[y0, x0] * (1 - fx) + texture[y0, x1] * fx
    return top * (1 - fy) + (texture[y1, x0] * (1 - fx) + texture[y1, x1] * fx) * fy


def load_glb(path: Path) -> Solid:
    """Read one GLB with a base-colour texture, a flat colour, or vertex colours."""
    loaded = trimesh.load(path)
    mesh = loaded.to_geometry() if isinstance(loaded, trimesh.Scene) else loaded
    uv = texture = None
    colours = np.ones((len(mesh.vertices), 3), np.float32)
    visual = mesh.visual
    if visual.kind == "texture":
        material = visual.material
        factor = getattr(material, "baseColorFactor", None)
        if factor is not None:
            colours *= np.asarray(factor, np.float32)[:3] / 255
        image = getattr(material, "baseColorTexture", None)
        if image is not None and visual.uv is not None:
            texture = np.asarray(image.convert("RGB"), np.float32) / 255
            uv = np.asarray(visual.uv, np.float32)
    elif visual.kind == "face":
        mesh = trimesh.Trimesh(
            mesh.triangles.reshape(-1, 3), np.arange(len(mesh.faces) * 3).reshape(-1, 3), process=False
        )
        colours = np.repeat(visual.face_colors[:, :3], 3, axis=0).astype(np.float32) / 255
    elif visual.kind == "vertex":
        colours = visual.vertex_colors[:, :3].astype(np.float32) / 255
    return Solid(
        np.asarray(mesh.vertices),
        np.asarray(mesh.faces),
        np.array(mesh.vertex_normals, np.float32),
        colours,
        uv,
        texture,
    )
