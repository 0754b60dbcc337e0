"""The lifted object: a mesh that knows its colours and renders itself from any camera."""

from __future__ import annotations

from collections.abc import Sequence
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
from .completion import GUESSED, completed, uprightness
from .exposure import gains
from .framing import Framed
from .frustum import Floats, Frustum, sample
from .fusion import Cut, Shot, moved
from .grain import Grain, grain_of
from .guess import Guess
from .materials import Materials, materials_of
from .surface import FINE, neighbour_average, surface, vertex_normals

RIM = (0.2, 0.5)
"""Cosines between which a picture begins to count and counts fully: at the middle its texels are drawn out threefold.
On 28 validation objects the back's colours gained 0.04 dB over (0.08, 0.38), and streaks are shorter."""

MEETING = (0.08, 0.38)
"""The same where exposures are compared."""


class LiftScene:
    """A closed mesh, coloured by the picture where its camera saw it and by the guess elsewhere.

    Colours are looked up per ray, not stored per vertex: the picture's full resolution reaches the views.
    Per vertex there are only a weight (how well the picture's camera saw it) and, for the unseen part, the
    guessed colour and the place in the picture to look at instead.
    """

    _others: tuple[tuple[Frustum, Floats], ...] = ()
    """Frustum and picture of the pictures after the first."""

    _upright: float = 1.0
    """Weight of upright edges where colours are completed, see :func:`.completion.uprightness`."""

    _materials: Materials | None = None
    """The few plain colours that the object is in, of one picture."""

    _grain: Grain | None = None
    _shares: Floats
    """(V, K) of each kind of grain at the vertices."""

    def __init__(
        self, framed: Framed, guess: Guess, backend: str = "auto", others: Sequence[Shot] = (), grain: bool = True
    ) -> None:
        vertices, faces = surface(guess.logits, framed.matte, Cut(guess.frustum, others) if others else None)
        used = [shot for shot in others if shot.slack is not None]
        placed = [shot.guess.frustum for shot in used]
        # With the camera stated, the world is the caller's; else the object is centred and scaled to a diagonal of 1.
        world = guess.frustum.world(vertices)
        frustum, self._mirror = guess.frustum, guess.mirror
        if framed.frustum is None:
            low, high = world.min(0), world.max(0)
            middle, scale = (low + high) / 2, 1 / float(np.linalg.norm(high - low))
            world = (world - middle) * scale
            frustum = Frustum((frustum.eye - middle) * scale, frustum.axes, frustum.slope, frustum.centre * scale)
            placed = [moved(other, scale, -middle * scale) for other in placed]
            self._mirror = guess.mirror and guess.mirror.moved(middle, scale)
        self.framed, self.guess, self.frustum, self.backend = framed, guess, frustum, backend
        self._texture = framed.texture
        if used:
            self._others = tuple((other, shot.framed.texture) for other, shot in zip(placed, used, strict=True))
        self._upright = uprightness(self._texture, framed.matte)
        self._set(world, faces)
        if self._others:
            self._match_exposure()
        else:
            self._materials = materials_of(self._texture, framed.matte)
        if grain:
            self._grain = grain_of(self._texture, framed.matte, len(self._texture) / frustum.width)
        self._paint()

    def _paint(self) -> None:
        """Complete the colours of what no picture shows."""
        known = self._attributes
        spread = len(self._texture) / FINE * 0.7  # a vertex stands for its neighbourhood, not for a texel
        seen = _look(cv2.GaussianBlur(self._texture, (0, 0), spread), self.frustum.normalised(self.vertices)[:, :2])
        sight = known[:, :1]
        if self._others:
            seen, sight = self._blend(self.vertices, seen, known)
        elsewhere = _look(self._texture, known[:, 1:3])
        trust = known[:, 3:4]
        guessed = elsewhere * trust + known[:, 4:7] * (1 - trust)
        hold = GUESSED + (1 - GUESSED) * trust[:, 0] ** 2
        if self._materials is not None:
            texture = self._materials.texture()
            texture = cv2.GaussianBlur(texture, (0, 0), spread * len(texture) / len(self._texture))
            shown = _look(texture, self.frustum.normalised(self.vertices)[:, :2])
            heights = self.vertices[:, 1]
            seen, guessed, hold = self._materials.parted(heights, seen, shown, sight[:, 0], guessed, trust[:, 0], hold)
            sight = sight * (1 - shown[:, -1:])
        found = completed(self.vertices, self.faces, self.normals, seen, sight[:, 0], guessed, hold, self._upright)
        known[:, 4:7] = np.clip(found if self._materials is None else self._materials.joined(found), 0, 1)
        if self._grain is not None:
            self._shares = self._grain.shares(known[:, 4:7])

    def _match_exposure(self) -> None:
        """Bring the other pictures to the exposure and white balance of the first."""
        placed = [(self.frustum, self._texture), *self._others]
        colours = [_look(texture, frustum.normalised(self.vertices)[:, :2]) for frustum, texture in placed]
        average = neighbour_average(self.faces, len(self.vertices))
        # Opposite pictures meet where both are drawn out: too far for a texture, good enough for its brightness.
        found = gains(colours, self._sights(average, MEETING), average)
        self._others = tuple(
            (frustum, np.asarray(np.clip(texture * gain, 0, 1), np.float32))
            for (frustum, texture), gain in zip(self._others, found[1:], strict=True)
        )

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
        """(V, 7 + n): weight of the picture, u and v to look at instead, trust in that, the guessed RGB, and the
        weights of the other pictures."""
        average = neighbour_average(self.faces, len(self.vertices))
        at = self.frustum.normalised(self.vertices)
        if self.guess.colour is None:
            look, trust, rgb = at[:, :2], np.ones(len(at), np.float32), np.zeros((len(at), 3), np.float32)
        else:
            found = np.stack([sample(channel, at) for channel in self.guess.colour], 1)
            look, trust, rgb = at[:, :2] + found[:, 3:5], found[:, 5], found[:, :3]
        if self._mirror is not None:
            twins = self._mirror.points(self.vertices)
            shown = self._seen(self.frustum, twins, self._mirror.directions(self.normals), 0.04, average)
            look = np.where(shown[:, None] > 0.5, self.frustum.normalised(twins)[:, :2], look)
            # Trust falls to nothing where the two places change over: what lies between them is neither.
            trust = np.abs(2 * shown - 1) * np.where(shown > 0.5, 1, trust)
        sights = self._sights(average)
        return np.column_stack([sights[0], look, trust, rgb, *sights[1:]]).astype(np.float32)

    def _sights(self, average: sparse.csr_matrix, rim: tuple[float, float] = RIM) -> list[Floats]:
        """For each picture (V,), how well its camera sees the vertices, with a soft beginning and end."""
        frusta = [self.frustum, *(frustum for frustum, _ in self._others)]
        seen = [self._seen(frustum, self.vertices, self.normals, 0.012, average, rim) for frustum in frusta]
        return [sight * sight * (3 - 2 * sight) for sight in seen]

    def _seen(
        self,
        frustum: Frustum,
        points: Floats,
        normals: Floats,
        slack: float,
        average: sparse.csr_matrix,
        rim: tuple[float, float] = RIM,
    ) -> Floats:
        """(V,) how well a picture's camera sees points at, or within ``slack`` of, the surface; smoothed over it."""
        towards = np.asarray(points - frustum.eye, np.float32)
        length = np.linalg.norm(towards, axis=1)
        reached = self._caster.cast(frustum.eye, towards).distance
        facing = -(normals * towards).sum(1) / length
        weight = np.clip((facing - rim[0]) / (rim[1] - rim[0]), 0, 1) * (reached > 1 - slack / length)
        weight = weight * (np.abs(frustum.normalised(points)[:, :2]) < 1).all(1)
        for _ in range(3):
            weight = np.minimum(weight, average @ weight) * 0.5 + 0.5 * (average @ weight)
        return np.asarray(weight, np.float32)

    def shade(self, hits: Hits, points: Floats) -> Floats:
        """Colour (N, 3) of hits at world points."""
        mixed = hits.between(self._attributes[self.faces[hits.face]])
        seen = _look(self._texture, self.frustum.normalised(points)[:, :2])
        elsewhere = _look(self._texture, mixed[:, 1:3])
        unseen = elsewhere * mixed[:, 3:4] + mixed[:, 4:7] * (1 - mixed[:, 3:4])
        sight = mixed[:, :1]
        if self._others:
            seen, sight = self._blend(points, seen, mixed)
        if self._grain is not None:
            bare = np.flatnonzero(sight[:, 0] < 0.99)
            some = hits.take(bare)
            corner = self.faces[some.face]
            normals, shares = some.between(self.normals[corner]), some.between(self._shares[corner])
            unseen[bare] += self._grain.at(points[bare], normals, shares)
        return np.asarray(seen * sight + unseen * (1 - sight))

    def _blend(self, points: Floats, seen: Floats, mixed: Floats) -> tuple[Floats, Floats]:
        """Colour (N, 3) of the pictures that see points best, and how well (N, 1) any of them does."""
        sights = np.column_stack([mixed[:, 0], mixed[:, 7:]])
        # Squares let the best view win where two see well, and leave a soft seam where they change over.
        share = sights**2 + 1e-9
        share /= share.sum(1, keepdims=True)
        total = seen * share[:, :1]
        for number, (frustum, texture) in enumerate(self._others, 1):
            total += _look(texture, frustum.normalised(points)[:, :2]) * share[:, number : number + 1]
        return np.asarray(total, np.float32), np.asarray(1 - np.prod(1 - sights, 1, keepdims=True), np.float32)

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
        small._paint()
        return textured(small.vertices, small.faces, small.normals, small.shade, texture, self.backend)


def _look(texture: Floats, uv: Floats) -> Floats:
    """A picture's colour, or what else its C channels hold, (N, C) at normalised window coordinates (N, 2)."""
    count, side = len(uv), len(texture)
    at = np.zeros((-(-count // 4096) * 4096, 2), np.float32)
    at[:count] = (uv + 1) * (side / 2) - 0.5
    grid = at.reshape(-1, 4096, 2)
    parts = [
        cv2.remap(
            texture,
            grid[i : i + 16384, :, 0],
            grid[i : i + 16384, :, 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for i in range(0, len(grid), 16384)
    ]
    return (
        np.concatenate(parts).reshape(-1, texture.shape[2])[:count]
        if parts
        else np.zeros((0, texture.shape[2]), np.float32)
    )
