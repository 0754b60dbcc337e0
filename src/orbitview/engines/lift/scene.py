"""The lifted object: a mesh that knows its colours and renders itself from any camera."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cached_property

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy import sparse

from ...cameras import Camera
from ...render import Hits, make_caster
from ...render.picture import render
from ...views import View
from .framing import Framed
from .frustum import Floats, Frustum, sample
from .guess import Guess
from .surface import neighbour_average, surface, vertex_normals


class LiftScene:
    """A closed mesh, coloured by the picture where its camera saw it and by the guess elsewhere.

    Colours are looked up per ray, not stored per vertex: the picture's full resolution reaches the views.
    Per vertex there are only a weight (how well the picture's camera saw it) and, for the unseen part, the
    guessed colour and the place in the picture to look at instead.
    """

    def __init__(self, framed: Framed, guess: Guess, backend: str = "auto") -> None:
        vertices, faces = surface(guess.logits, framed.matte)
        # With the camera stated, the world is the caller's; else the object is centred and scaled to a diagonal of 1.
        world = guess.frustum.world(vertices)
        frustum, self._mirror = guess.frustum, guess.mirror
        if framed.frustum is None:
            low, high = world.min(0), world.max(0)
            middle, scale = (low + high) / 2, 1 / float(np.linalg.norm(high - low))
            world = (world - middle) * scale
            frustum = Frustum((frustum.eye - middle) * scale, frustum.axes, frustum.slope, frustum.centre * scale)
            self._mirror = guess.mirror and guess.mirror.moved(middle, scale)
        self.framed, self.guess, self.frustum, self.backend = framed, guess, frustum, backend
        self._texture = framed.texture
        self._set(world, faces)

    def __getstate__(self) -> dict[str, object]:
        # Copies and kept scenes go without the cells and the frame, which nothing needs once the surface is there.
        cells = np.zeros((0, 0, 0), np.float32)
        return self.__dict__ | {"framed": None, "guess": replace(self.guess, logits=cells)}

    def _set(self, vertices: Floats, faces: NDArray[np.int32]) -> None:
        # A right-handed world seen through (u, v, s) turns marching cubes' winding over.
        volume = np.einsum("ij,ij->", vertices[faces[:, 0]], np.cross(vertices[faces[:, 1]], vertices[faces[:, 2]]))
        self.faces = np.ascontiguousarray(faces if volume > 0 else faces[:, ::-1])
        self.vertices = np.ascontiguousarray(vertices, np.float32)
        self.normals = vertex_normals(self.vertices, self.faces)
        self._caster = make_caster(self.vertices, self.faces, self.backend)
        self._attributes = self._describe()

    def _describe(self) -> Floats:
        """(V, 7): weight of the picture, u and v to look at instead, trust in that, and the guessed RGB."""
        average = neighbour_average(self.faces, len(self.vertices))
        weight = self._seen(self.vertices, self.normals, 0.012, average)
        at = self.frustum.normalised(self.vertices)
        if self.guess.colour is None:
            look, trust, rgb = at[:, :2], np.ones(len(at), np.float32), np.zeros((len(at), 3), np.float32)
        else:
            found = np.stack([sample(channel, at) for channel in self.guess.colour], 1)
            look, trust, rgb = at[:, :2] + found[:, 3:5], found[:, 5], found[:, :3]
        if self._mirror is not None:
            twins = self._mirror.points(self.vertices)
            shown = self._seen(twins, self._mirror.directions(self.normals), 0.04, average)
            look = np.where(shown[:, None] > 0.5, self.frustum.normalised(twins)[:, :2], look)
            # Trust falls to nothing where the two places change over: what lies between them is neither.
            trust = np.abs(2 * shown - 1) * np.where(shown > 0.5, 1, trust)
        return np.column_stack([weight * weight * (3 - 2 * weight), look, trust, rgb]).astype(np.float32)

    def _seen(self, points: Floats, normals: Floats, slack: float, average: sparse.csr_matrix) -> Floats:
        """(V,) how well the picture's camera sees points at, or within ``slack`` of, the surface; smoothed over it."""
        towards = np.asarray(points - self.frustum.eye, np.float32)
        length = np.linalg.norm(towards, axis=1)
        reached = self._caster.cast(self.frustum.eye, towards).distance
        facing = -(normals * towards).sum(1) / length
        weight = np.clip((facing - 0.08) / 0.3, 0, 1) * (reached > 1 - slack / length)
        weight = weight * (np.abs(self.frustum.normalised(points)[:, :2]) < 1).all(1)
        for _ in range(3):
            weight = np.minimum(weight, average @ weight) * 0.5 + 0.5 * (average @ weight)
        return np.asarray(weight, np.float32)

    def shade(self, hits: Hits, points: Floats) -> Floats:
        """Colour (N, 3) of hits at world points."""
        corner = self._attributes[self.faces[hits.face]]
        mixed = (
            corner[:, 0] * (1 - hits.u - hits.v)[:, None]
            + corner[:, 1] * hits.u[:, None]
            + corner[:, 2] * hits.v[:, None]
        )
        seen = self._look(self.frustum.normalised(points)[:, :2])
        elsewhere = self._look(mixed[:, 1:3])
        unseen = elsewhere * mixed[:, 3:4] + mixed[:, 4:] * (1 - mixed[:, 3:4])
        return np.asarray(seen * mixed[:, :1] + unseen * (1 - mixed[:, :1]))

    def _look(self, uv: Floats) -> Floats:
        """The picture's colour at normalised window coordinates (N, 2)."""
        count, side = len(uv), len(self._texture)
        at = np.zeros((-(-count // 4096) * 4096, 2), np.float32)
        at[:count] = (uv + 1) * (side / 2) - 0.5
        grid = at.reshape(-1, 4096, 2)
        parts = [
            cv2.remap(
                self._texture,
                grid[i : i + 16384, :, 0],
                grid[i : i + 16384, :, 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for i in range(0, len(grid), 16384)
        ]
        return np.concatenate(parts).reshape(-1, 3)[:count] if parts else np.zeros((0, 3), np.float32)

    @cached_property
    def radius(self) -> float:
        """Of the sphere around the origin that holds the object."""
        return float(np.linalg.norm(self.vertices, axis=1).max())

    def fill(self, camera: Camera) -> Camera:
        """The camera with its distance set so that the whole object is seen from every side."""
        return camera.around(self.radius)

    def render(self, camera: Camera, size: int) -> View:
        """One view of ``size`` × ``size`` pixels."""
        return render(self.vertices, self.faces, self.normals, self._caster, self.shade, self.fill(camera), size)

    def mesh(self, texture: int = 1024, most_faces: int = 12_000) -> trimesh.Trimesh:
        """A textured mesh for export: simplified, cut into charts, one base colour."""
        from ...render.atlas import textured

        plain = trimesh.Trimesh(self.vertices, self.faces, process=False)
        if len(self.faces) > most_faces:
            plain = plain.simplify_quadric_decimation(face_count=most_faces)
        small = copy(self)
        small._set(np.asarray(plain.vertices, np.float32), np.asarray(plain.faces, np.int32))
        return textured(small.vertices, small.faces, small.normals, small.shade, texture, self.backend)
