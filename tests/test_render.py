"""Embree and the NumPy rasteriser under the same tests."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import trimesh

from orbitview import Camera
from orbitview.render import Hits, make_caster
from orbitview.render.picture import render

HAS_EMBREE = importlib.util.find_spec("embreex") is not None
BACKENDS = [
    pytest.param(
        "embree",
        marks=pytest.mark.skipif(
            not HAS_EMBREE, reason="LOUD: embreex has no wheel for this platform; only the NumPy renderer is tested"
        ),
    ),
    "numpy",
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ball(backend: str, radius: float = 0.5) -> tuple[trimesh.Trimesh, object]:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return mesh, make_caster(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), backend)


def test_a_ray_meets_the_nearest_face(backend: str) -> None:
    _, caster = ball(backend)
    hits = caster.cast(np.float32([0, 0, 2]), np.float32([[0, 0, -1], [0.01, 0.01, -1], [1, 0, -0.1]]))
    assert hits.distance[:2] == pytest.approx(1.5, abs=5e-3)
    assert hits.face[2] == -1
    assert np.isinf(hits.distance[2])


def test_distances_count_in_lengths_of_the_direction(backend: str) -> None:
    _, caster = ball(backend)
    hits = caster.cast(np.float32([0, 0, 2]), np.float32([[0, 0, -0.5], [0.0005, 0, -0.5]]))
    assert hits.distance[0] == pytest.approx(3.0, abs=1e-2)


def test_barycentric_weights_give_the_hit_point_back(backend: str) -> None:
    mesh, caster = ball(backend)
    rng = np.random.default_rng(0)
    rays = np.column_stack([rng.uniform(-0.15, 0.15, (500, 2)), -np.ones(500)]).astype(np.float32)
    eye = np.float32([0, 0, 2])
    hits = caster.cast(eye, rays)
    assert (hits.face >= 0).all()
    corners = mesh.vertices[mesh.faces[hits.face]]
    u, v = hits.u[:, None], hits.v[:, None]
    points = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v
    assert np.allclose(points, eye + hits.distance[:, None] * rays, atol=1e-4)


@pytest.mark.skipif(not HAS_EMBREE, reason="LOUD: nothing to compare with, embreex has no wheel for this platform")
def test_both_renderers_agree() -> None:
    mesh = trimesh.creation.torus(0.35, 0.12)
    eye = np.float32([0.3, 0.9, 1.2])
    rng = np.random.default_rng(1)
    rays = (rng.uniform(-0.45, 0.45, (20000, 3)) - eye).astype(np.float32)
    embree, plain = (
        make_caster(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), b).cast(eye, rays)
        for b in ("embree", "numpy")
    )
    same = (embree.face >= 0) == (plain.face >= 0)
    assert same.mean() > 0.999
    both = (embree.face >= 0) & (plain.face >= 0)
    assert np.abs(embree.distance[both] - plain.distance[both]).max() < 1e-3


def test_a_picture_of_a_ball(backend: str) -> None:
    mesh, caster = ball(backend)
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)
    normals = mesh.vertex_normals.astype(np.float32)

    def shader(hits: Hits, points: np.ndarray) -> np.ndarray:
        return np.clip(points + 0.5, 0, 1)

    view = render(vertices, faces, normals, caster, shader, Camera(0, 0, 2.0, 40), 96)
    pixels = np.asarray(view.image)
    # A ball of radius 1/2 seen from 2 away looks like a disc of angular radius asin(1/4).
    radius = np.tan(np.arcsin(0.25)) / np.tan(np.radians(20)) * 48
    assert (pixels[..., 3] / 255).sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    partial = (pixels[..., 3] > 0) & (pixels[..., 3] < 255)
    assert partial.sum() > 60  # anti-aliased rim
    assert view.depth is not None
    assert view.depth[48, 48] == pytest.approx(1.5, abs=5e-3)
    assert np.isinf(view.depth[0, 0])
    assert view.normal is not None
    assert view.normal[48, 48] == pytest.approx([0, 0, 1], abs=0.05)
    assert pixels[48, 48, 2] > 240  # nearest point: z = 0.5
    assert pixels[20, 48, 1] > pixels[76, 48, 1]  # up is up


def test_unknown_renderers_are_refused() -> None:
    from orbitview import InvalidRequest

    with pytest.raises(InvalidRequest):
        make_caster(np.zeros((3, 3), np.float32), np.zeros((1, 3), np.int32), "opengl")


def test_a_ball_seen_by_parallel_rays(backend: str) -> None:
    """It looks as large as it is, wherever the camera stands."""
    mesh, caster = ball(backend)
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)
    for distance in (0.9, 3.0):
        camera = Camera(35, 20, distance, projection="orthographic", scale=1.25)
        view = render(
            vertices,
            faces,
            mesh.vertex_normals.astype(np.float32),
            caster,
            lambda hits, points: points + 0.5,
            camera,
            96,
        )
        alpha = np.asarray(view.image)[..., 3] / 255
        assert alpha.sum() == pytest.approx(np.pi * (0.5 / 1.25 * 96) ** 2, rel=0.01)
        assert view.depth is not None
        assert view.depth[48, 48] == pytest.approx(distance - 0.5, abs=5e-3)


@pytest.mark.skipif(not HAS_EMBREE, reason="LOUD: nothing to compare with, embreex has no wheel for this platform")
def test_both_renderers_agree_on_parallel_rays() -> None:
    mesh = trimesh.creation.torus(0.35, 0.12)
    camera = Camera(40, 33, 2.0, projection="orthographic", scale=1.0)
    rotation = camera.rotation.astype(np.float32)
    places = np.random.default_rng(2).uniform(-0.5, 0.5, (20000, 2)).astype(np.float32)
    starts = (camera.position + places @ rotation[:, :2].T).astype(np.float32)
    rays = np.tile(rotation[:, 2] * np.float32(0.5), (len(starts), 1))
    embree, plain = (
        make_caster(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), b).cast(starts, rays)
        for b in ("embree", "numpy")
    )
    same = (embree.face >= 0) == (plain.face >= 0)
    assert same.mean() > 0.999
    both = (embree.face >= 0) & (plain.face >= 0)
    assert both.sum() > 4000
    assert np.abs(embree.distance[both] - plain.distance[both]).max() < 1e-3
    equal = both & (embree.face == plain.face)
    assert np.abs(embree.u[equal] - plain.u[equal]).max() < 1e-3


def test_rays_that_are_neither_are_refused() -> None:
    _, caster = ball("numpy")
    with pytest.raises(ValueError, match="parallel"):
        caster.cast(np.float32([[0, 0, 2], [0.1, 0, 2]]), np.float32([[0, 0, -1], [0.1, 0, -1]]))
