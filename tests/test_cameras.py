from __future__ import annotations

import math

import numpy as np
import pytest

from orbitview import RIGS, Camera, InvalidRequest, rig


def test_the_convention_of_the_orbit() -> None:
    a, e = math.radians(30), math.radians(20)
    expected = [2 * math.sin(a) * math.cos(e), 2 * math.sin(e), 2 * math.cos(a) * math.cos(e)]
    assert np.allclose(Camera(30, 20, 2.0).position, expected)


def test_cameras_look_at_the_origin_with_the_world_upright() -> None:
    for camera in (Camera(0, 0, 1.5), Camera(123, -20, 1.5), Camera(270, 89, 3)):
        origin = camera.world_to_camera @ [0, 0, 0, 1]
        assert np.allclose(origin[:2], 0, atol=1e-12)
        assert origin[2] == pytest.approx(camera.distance)
        assert camera.rotation[1, 0] == pytest.approx(0)  # right stays level
        assert camera.rotation[1, 1] < 0  # down points down
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_opengl_poses_flip_y_and_z() -> None:
    camera = Camera(40, 10, 2)
    assert np.allclose(camera.camera_to_world_opengl[:3, 1:3], -camera.camera_to_world[:3, 1:3])
    assert np.allclose(camera.camera_to_world_opengl[:3, 3], camera.position)


def test_intrinsics_put_the_edge_of_the_field_of_view_at_the_edge_of_the_picture() -> None:
    k = Camera(fov=90).intrinsics(100)
    assert np.allclose(k @ [1, 0, 1], [100, 50, 1])


def test_zero123plus_rigs() -> None:
    one, two = rig("zero123plus-v1.1"), rig("zero123plus-v1.2")
    assert [c.azimuth for c in one] == [c.azimuth for c in two] == [30, 90, 150, 210, 270, 330]
    assert [c.elevation for c in one] == [30, -20] * 3
    assert [c.elevation for c in two] == [20, -10] * 3
    assert {c.fov for c in two} == {30}


def test_orbit_rigs() -> None:
    cameras = rig("orbit-8@-15.5")
    assert [c.azimuth for c in cameras] == [0, 45, 90, 135, 180, 225, 270, 315]
    assert {c.elevation for c in cameras} == {-15.5}
    assert len(rig("syncdreamer-16")) == 16
    assert [c.azimuth for c in rig("sides-4")] == [0, 90, 180, 270]
    assert "sides-4" in RIGS


@pytest.mark.parametrize(
    "name", ["", "orbit-0", "orbit-361", "orbit-x", "orbit-5@95", "zero123plus", "orbit-5@" + "9" * 400]
)
def test_unknown_rigs_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        rig(name)


@pytest.mark.parametrize(
    "values", [{"elevation": 91}, {"fov": 0}, {"fov": 121}, {"distance": 0}, {"azimuth": math.nan}, {"elevation": "up"}]
)
def test_impossible_cameras_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        Camera(**values)


# --- parallel rays ----------------------------------------------------------------------------------------------


def test_an_orthographic_camera_projects_by_its_scale_alone() -> None:
    camera = Camera(90, 0, 2, projection="orthographic", scale=1.2)
    # From the right: the world's -z is to the right in the picture, y is up, x comes towards the camera.
    points = np.array([[0, 0, 0], [0.3, 0.6, 0], [-0.4, 0, -0.6]])
    found = camera.project(points, 120)
    assert np.allclose(found, [[60, 60, 2], [60, 0, 1.7], [120, 60, 2.4]])
    k = camera.intrinsics(120)
    assert np.allclose(k @ [0.6, -0.6, 1], [120, 0, 1])  # affine: the point's depth is not in it
    assert np.allclose(Camera(90, 0, 7, projection="orthographic", scale=1.2).project(points, 120)[:, :2], found[:, :2])


def test_projecting_is_the_pinhole_matrix_for_a_pinhole() -> None:
    camera, points = Camera(33, -12, 1.7, 41), np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3))
    local = (camera.world_to_camera @ np.c_[points, np.ones(20)].T)[:3]
    expected = camera.intrinsics(200) @ local
    assert np.allclose(camera.project(points, 200), np.c_[(expected[:2] / expected[2]).T, local[2]])


def test_what_an_orthographic_camera_leaves_open_is_filled_in() -> None:
    placed = Camera(projection="orthographic").around(0.5)
    assert placed.scale == pytest.approx(1.04)
    assert placed.distance == Camera().around(0.5).distance
    assert Camera(projection="orthographic", scale=3, distance=2).around(0.5).scale == 3
    with pytest.raises(InvalidRequest, match="no scale yet"):
        Camera(projection="orthographic").intrinsics(64)


@pytest.mark.parametrize(
    "values",
    [
        {"projection": "isometric"},
        {"projection": None},
        {"scale": 1.0},
        {"projection": "orthographic", "scale": 0},
        {"projection": "orthographic", "scale": math.inf},
        {"projection": "orthographic", "scale": "big"},
    ],
)
def test_impossible_projections_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Camera(**values)  # type: ignore[arg-type]
    assert caught.value.hint
    assert caught.value.field in ("cameras.projection", "cameras.scale")


def test_other_ways_to_write_an_orthographic_camera() -> None:
    from orbitview.cameras import as_camera
    from orbitview.commands.generate import parse_camera

    camera = Camera(45, 20, projection="orthographic", scale=1.5)
    assert as_camera({"azimuth": 45, "elevation": 20, "projection": "orthographic", "scale": 1.5}) == camera
    assert parse_camera("45,20,ortho=1.5") == camera
    assert parse_camera("45, 20, ortho").scale is None
    assert as_camera(camera.numbers()) == camera
    assert as_camera(Camera(1, 2, 3, 4).numbers()) == Camera(1, 2, 3, 4)
    for text in ("45,ortho", "45,20,2,ortho", "45,20,ortho=x", "45,20,orth"):
        with pytest.raises(InvalidRequest, match="is not a camera"):
            parse_camera(text)
    with pytest.raises(InvalidRequest, match="one to four numbers"):
        as_camera((1, 2, 3, 4, "orthographic"))
