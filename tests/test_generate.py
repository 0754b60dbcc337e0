"""The public function with the embedded engines: shapes, geometry, what is told and what is ignored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import iou, make_figure
from PIL import Image

import orbitview
from orbitview import Camera, Cancelled, EngineUnavailable, InvalidRequest, generate


def test_six_views_by_default(lifted: orbitview.ViewSet) -> None:
    assert len(lifted) == 6
    assert [v.camera.azimuth for v in lifted] == [30, 90, 150, 210, 270, 330]
    assert all(v.image.size == (320, 320) and v.image.mode == "RGBA" for v in lifted)
    assert all(v.camera.distance for v in lifted)
    assert lifted.meta["seed"] == 1
    for view in lifted:
        coverage = np.asarray(view.mask) > 127
        assert 0.02 < coverage.mean() < 0.8
        # The whole object is in sight: nothing touches the border.
        assert not (coverage[0].any())
        assert not (coverage[-1].any())
        assert not (coverage[:, 0].any())
        assert not (coverage[:, -1].any())
        assert view.depth is not None
        assert np.array_equal(np.isfinite(view.depth), np.asarray(view.normal).any(-1))


def test_the_mesh_is_closed_and_of_unit_size(lifted: orbitview.ViewSet) -> None:
    import trimesh

    scene = lifted.scene
    mesh = trimesh.Trimesh(scene.vertices, scene.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume > 0
    assert np.linalg.norm(np.ptp(scene.vertices, axis=0)) == pytest.approx(1, abs=1e-3)
    assert np.abs(scene.vertices.min(0) + scene.vertices.max(0)).max() < 1e-3


def test_the_front_view_is_the_input(lifted: orbitview.ViewSet) -> None:
    """From the input's own camera the outline and the colours come back."""
    about = lifted.meta["input_camera"]
    view = lifted.scene.render(Camera(0, about["elevation"], None, about["fov"]), 256)
    got, want = _framed(view.image), _framed(make_figure())
    assert iou(got[..., 3] > 127, want[..., 3] > 127) > 0.9
    both = (got[..., 3] > 250) & (want[..., 3] > 250)
    assert np.abs(got[both][:, :3].astype(int) - want[both][:, :3]).mean() < 20


def _framed(picture: Image.Image) -> np.ndarray:
    box = picture.getchannel("A").point(lambda a: 255 * (a > 127)).getbbox()
    return np.asarray(picture.crop(box).resize((128, 128)))


def test_cameras_above_and_below(lifted: orbitview.ViewSet) -> None:
    for elevation in (-90, -60, 60, 90):
        view = lifted.scene.render(Camera(0, elevation), 96)
        assert (np.asarray(view.mask) > 127).sum() > 200


def test_same_seed_same_bytes(figure: Image.Image) -> None:
    first, second = (generate(figure, "sides-4", engine="auto", seed=5, size=64) for _ in range(2))
    assert [v.image.tobytes() for v in first] == [v.image.tobytes() for v in second]


def test_a_stated_camera_keeps_the_framing(figure: Image.Image) -> None:
    """With distance and field of view given, the view from the input's camera lies on the input, pixel by pixel."""
    camera = Camera(0, 20, 1.5, 49.1)
    views = generate(figure, [camera], input_camera=camera, size=200, engine="auto")
    assert iou(np.asarray(views[0].mask) > 127, np.asarray(figure)[..., 3] > 127) > 0.93
    assert views.meta["input_camera"] == {
        "azimuth": 0.0,
        "elevation": 20,
        "distance": 1.5,
        "fov": 49.1,
        "estimated": False,
    }


def test_a_stated_elevation_is_used(figure: Image.Image) -> None:
    views = generate(figure, [Camera()], input_camera=Camera(0, 33), size=64)
    assert views.meta["input_camera"]["elevation"] == pytest.approx(33, abs=0.5)
    assert views.meta["input_camera"]["estimated"]


def test_both_renderers_make_the_same_views(figure: Image.Image) -> None:
    pytest.importorskip("embreex", reason="LOUD: nothing to compare with, embreex has no wheel for this platform")
    one, two = (
        np.asarray(generate(figure, [Camera(60, 20)], size=96, renderer=r)[0].image, int) for r in ("embree", "numpy")
    )
    assert np.abs(one - two).mean() < 1.0


@pytest.mark.parametrize(("engine", "deaf"), [("lift", []), ("inflate", ["num_inference_steps"])])
def test_what_an_engine_does_not_honour_is_told(figure: Image.Image, engine: str, deaf: list[str]) -> None:
    wishes = {"num_inference_steps": 20, "guidance_scale": 3.0, "prompt": "a bird", "negative_prompt": "fog"}
    views = generate(figure, [Camera()], engine=engine, size=32, **wishes)  # type: ignore[arg-type]
    assert views.meta["ignored"] == [*deaf, "guidance_scale", "prompt", "negative_prompt"]


def test_steps_of_lift_are_looks_at_the_picture(figure: Image.Image) -> None:
    """Each look is of the same object in the same place; six are all there are, and what one gets by default."""
    by_steps = {
        n: generate(figure, [Camera(90, 10)], engine="lift", size=96, num_inference_steps=n) for n in (1, 6, 50)
    }
    one, six, fifty = (np.asarray(views[0].image) for views in by_steps.values())
    assert not np.array_equal(one, six)
    assert iou(one[..., 3] > 127, six[..., 3] > 127) > 0.8
    assert np.array_equal(six, fifty)
    assert np.array_equal(six, np.asarray(generate(figure, [Camera(90, 10)], engine="lift", size=96)[0].image))


def test_progress_moves_and_can_stop_the_work(figure: Image.Image) -> None:
    seen: list[tuple[float, str]] = []
    generate(figure, "sides-4", size=32, progress=lambda share, stage: seen.append((share, stage)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {"frame", "lift", "surface", "render"} <= {stage for _, stage in seen}

    def stop(share: float, stage: str) -> None:
        if stage == "render":
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        generate(figure, size=32, progress=stop)


def test_auto_takes_the_best_engine() -> None:
    assert orbitview.get_engine("auto").info.name == "lift"
    assert {"lift", "inflate"} <= set(orbitview.engine_names())


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 8},
        {"size": 5000},
        {"size": 64.0},
        {"size": True},
        {"seed": -1},
        {"seed": 1.5},
        {"cameras": []},
        {"cameras": ["front"]},
        {"cameras": "orbit-999"},
        {"cameras": [Camera()] * 361},
        {"matte": "green"},
    ],
)
def test_wrong_parameters(wrong: dict[str, object], figure: Image.Image) -> None:
    with pytest.raises(InvalidRequest) as caught:
        generate(figure, **wrong)  # type: ignore[arg-type]
    assert caught.value.code == "invalid_request"


def test_unknown_engines_are_refused(figure: Image.Image) -> None:
    with pytest.raises(EngineUnavailable, match="auto"):
        generate(figure, engine="warp")


def test_odd_shapes_survive() -> None:
    """Slivers, specks and full frames are objects too."""
    sliver = Image.new("RGBA", (300, 40), (0, 0, 0, 0))
    sliver.paste((90, 160, 40, 255), (4, 18, 296, 22))
    dots = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    for x in (10, 50, 80):
        dots.paste((200, 30, 90, 255), (x, x, x + 6, x + 6))
    full = Image.new("RGB", (60, 90), (30, 90, 160))
    for picture, matte in ((sliver, "auto"), (dots, "auto"), (full, "none")):
        for engine in ("inflate", "lift"):
            views = generate(picture, "sides-4", engine=engine, size=160, matte=matte)  # type: ignore[arg-type]
            assert all((np.asarray(v.mask) > 0).any() for v in views)


def test_the_sample_is_lifted(rocket: Path) -> None:
    views = generate(rocket, seed=0)
    assert views.meta["engine"] == "lift"
    assert all(0.05 < (np.asarray(v.mask) > 127).mean() < 0.6 for v in views)


def test_the_network_sees_the_camera() -> None:
    """A cube seen from above and from the side gives two elevations: once the shipped network said one for all."""
    import trimesh

    from orbitview.engines.triposr.engine import ColouredMesh

    cube = trimesh.creation.box((0.6, 0.5, 0.6))
    cube.unmerge_vertices()
    colours = np.abs(cube.vertex_normals) * 0.6 + 0.3
    scene = ColouredMesh(
        cube.vertices.astype(np.float32), cube.faces.astype(np.int32), colours.astype(np.float32),
        np.array(cube.vertex_normals, np.float32),
    )  # fmt: skip
    found = []
    for elevation in (0, 45):
        picture = scene.render(orbitview.Camera(30, elevation, 1.8, 40), 300).image
        found.append(orbitview.generate(picture, [orbitview.Camera()], engine="lift", size=32).meta["input_camera"])
    assert found[1]["elevation"] - found[0]["elevation"] > 15
