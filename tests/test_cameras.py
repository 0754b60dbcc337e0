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
