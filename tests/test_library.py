"""The library as code meets it: what is refused and how, copies, notebooks, many pictures, examples that run."""

from __future__ import annotations

import copy
import doctest
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import zipfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image

from orbitview import Camera, InvalidImage, InvalidRequest, ViewSet, generate, generate_many, kept
from orbitview.install import how_to_install

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return generate(make_figure(), [(30, 20), {"azimuth": 200, "elevation": -5}], size=64, seed=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sede": 1}, "Did you mean seed?"),
        ({"steps": 3}, "Did you mean num_inference_steps?"),
        ({"step": 3}, "Did you mean num_inference_steps?"),
        ({"rig": "sides-4"}, "Did you mean cameras?"),
        ({"symetry": False}, "Did you mean symmetry?"),
        ({"zzz": 1}, "Options of lift: grain, renderer, symmetry."),
        ({"num_inference_steps": 0}, "from 1 to 100"),
        ({"num_inference_steps": 2.5}, "from 1 to 100"),
        ({"num_inference_steps": True}, "from 1 to 100"),
        ({"guidance_scale": float("nan")}, "from 1 to 20"),
        ({"guidance_scale": "4"}, "from 1 to 20"),
        ({"input_camera": "x"}, "input_camera"),
        ({"input_camera": (1, 200)}, "elevation"),
        ({"cameras": [(30,), "x"]}, "'x' is not a camera"),
        ({"cameras": [30, 20]}, "30 is not a camera"),
        ({"cameras": [(1, 2, 3, 4, 5)]}, "one to four numbers"),
        ({"cameras": [{"azimut": 3}]}, "Did you mean azimuth?"),
        ({"cameras": [(None, 3)]}, "azimuth"),
        ({"cameras": [(True, 3)]}, "azimuth"),
        ({"cameras": Camera(3)}, "as a list"),
        ({"cameras": 7}, "as a list"),
        ({"cameras": []}, "no cameras"),
    ],
)
def test_wrong_options_get_a_clear_sentence(options: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        generate(make_figure(), engine="lift", **options)  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_cameras_in_every_form(views: ViewSet) -> None:
    assert [(v.camera.azimuth, v.camera.elevation) for v in views] == [(30, 20), (200, -5)]
    table = np.array([[30.0, 20.0], [200.0, -5.0]])
    again = generate(make_figure(), table, size=64, seed=1, input_camera={"elevation": 10})  # type: ignore[arg-type]
    assert [v.camera.azimuth for v in again] == [30, 200]
    assert again.meta["input_camera"]["elevation"] == pytest.approx(10, abs=0.1)


def test_copies_and_pickles_render_the_same(views: ViewSet) -> None:
    for other in (copy.deepcopy(views), pickle.loads(pickle.dumps(views)), copy.copy(views)):
        assert np.array_equal(np.asarray(other[1].image), np.asarray(views[1].image))
        drawn = other.scene.render(Camera(77, 33), 48)
        assert np.array_equal(np.asarray(drawn.image), np.asarray(views.scene.render(Camera(77, 33), 48).image))
        assert len(other.scene.mesh(texture=64, most_faces=500).faces) <= 500
    numpy_only = generate(make_figure(), "sides-4", size=32, engine="inflate", renderer="numpy")
    assert len(pickle.loads(pickle.dumps(numpy_only))) == 4


def test_a_line_and_a_picture_for_notebooks(views: ViewSet) -> None:
    assert repr(views) == "<ViewSet: 2 views of 64 px, engine lift, seed 1, with geometry>"
    shown = views._repr_png_()
    assert shown is not None
    assert Image.open(io.BytesIO(shown)).size == (960, 960)
    assert ViewSet([])._repr_png_() is None
    assert "pictures only" in repr(ViewSet(views.views))


def test_the_mesh_is_what_its_docstring_says(views: ViewSet) -> None:
    mesh = views.mesh
    assert mesh is not None
    assert mesh is views.mesh  # made once
    assert np.linalg.norm(mesh.extents) == pytest.approx(1, abs=0.03)
    assert mesh.visual.uv is not None
    assert ViewSet(views.views).mesh is None


def test_many_pictures_side_by_side() -> None:
    pictures = [make_figure(120), b"no picture", make_figure(160), ROOT / "examples" / "rocket.jpg"]
    results = list(generate_many(iter(pictures), workers=2, cameras=[(45, 10)], size=48, engine="inflate", seed=5))
    assert isinstance(results[1], InvalidImage)
    for picture, result in zip(pictures, results, strict=True):
        if not isinstance(result, InvalidImage):
            assert isinstance(result, ViewSet)
            alone = generate(picture, cameras=[(45, 10)], size=48, engine="inflate", seed=5)
            assert np.array_equal(np.asarray(result[0].image), np.asarray(alone[0].image))
            assert result.scene.render(Camera(90, 0), 32).image.size == (32, 32)


def test_a_result_comes_back_from_another_process() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        views = pool.submit(generate, make_figure(), "sides-4", size=48, engine="inflate", seed=2).result()
    assert views.scene.render(Camera(90, 0), 32).image.size == (32, 32)


@pytest.mark.parametrize(
    ("pictures", "options"), [("a.png", {}), ([], {"workers": 0}), (7, {}), ([], {"workers": 1.5})]
)
def test_many_pictures_refuses_at_once(pictures: object, options: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        generate_many(pictures, **options)  # type: ignore[arg-type]


def test_a_kept_scene_is_read_without_running_what_is_in_it(views: ViewSet, tmp_path: Path) -> None:
    packed = kept.pack_scene(views)
    assert packed is not None
    back = kept.unpack_scene(packed)
    assert np.array_equal(np.asarray(back[1].image), np.asarray(views[1].image))
    assert len(kept.unpack_scene(packed, None)) == 0
    assert kept.pack_scene(ViewSet(views.views)) is None

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    head = packed[: packed.index(b"\n") + 1]
    dotted = b"\x80\x04\x8c\x11orbitview.storage\x8c\x0eos.path.exists\x93."
    for raw in (pickle.dumps(Evil()), pickle.dumps({"scene": Evil()}), pickle.dumps(3), dotted, b"\x80"):
        with pytest.raises(InvalidRequest):
            kept.unpack_scene(head + zlib.compress(raw))
    for damaged in (packed[:-20], head, b"", b"glTF", head + b"x" * 40):
        with pytest.raises(InvalidRequest):
            kept.unpack_scene(damaged)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["api", "cameras"])
def test_the_examples_in_docstrings_run(name: str) -> None:
    import importlib

    found = doctest.testmod(importlib.import_module(f"orbitview.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_a_wheel_works_from_an_empty_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "-q", "-w", str(tmp_path / "wheel")]
    built = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if built.returncode:
        pytest.skip(f"LOUD: no wheel could be built here: {built.stderr[-300:]}")
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        names = archive.namelist()
    for name in ("outputs/spin.html", "server/web/index.html", "engines/lift/weights/lift.onnx", "py.typed"):
        assert f"orbitview/{name}" in names
    assert not [name for name in names if name.startswith(("tests/", "training/", "bench/"))]
    empty = tmp_path / "empty"
    empty.mkdir()
    make_figure().save(empty / "toy.png")
    code = (
        "import sys, orbitview, orbitview.cli; assert orbitview.__file__.startswith(sys.argv[1]), orbitview.__file__; "
        "sys.argv[1:] = sys.argv[2:]; orbitview.cli.main()"
    )
    arguments = ["generate", "toy.png", "-o", "out", "--size", "64", "-f", "spin,obj,3mf"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
    )
    assert done.returncode == 0, done.stderr
    assert {"spin.html", "object.obj", "object.3mf"} <= {p.name for p in (empty / "out").iterdir()}


@pytest.mark.parametrize(
    ("origin", "says"),
    [
        ({"url": "file:///home/me/orbitview", "dir_info": {"editable": True}}, "pip install '.[heif]' (in the folder"),
        (
            {"url": "https://example.com/orbitview.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            "pip install 'orbitview[heif] @ git+https://example.com/orbitview.git'",
        ),
        ({"url": "file:///tmp/orbitview-0.1.0-py3-none-any.whl", "archive_info": {}}, "any.whl[heif]'"),
        (None, "pip install 'orbitview[heif]'"),
    ],
)
def test_install_hints_name_where_it_came_from(
    origin: dict[str, object] | None, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "orbitview-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: orbitview\nVersion: 0.1.0\n")
    if origin is not None:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    assert says in how_to_install("heif")
