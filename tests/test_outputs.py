from __future__ import annotations

import json
import math
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import orbitview
from orbitview import Camera, InvalidRequest, View, ViewSet, generate
from orbitview.outputs import FORMATS, make_grid, parse_background, transforms_json, write_format, write_turntable


@pytest.fixture(scope="module")
def views() -> ViewSet:
    from conftest import make_figure

    return generate(make_figure(), "zero123plus-v1.2", size=128, seed=0)


def squares(count: int, size: int = 64) -> list[Image.Image]:
    return [Image.new("RGBA", (size, size), (40 * i, 255 - 40 * i, 90, 255)) for i in range(count)]


def test_the_hosted_grid_is_two_columns_by_three_rows() -> None:
    grid = make_grid(squares(6), 640, 960)
    assert (grid.size, grid.mode) == ((640, 960), "RGB")
    for i in range(6):
        x, y = 160 + 320 * (i % 2), 160 + 320 * (i // 2)
        assert grid.getpixel((x, y)) == (40 * i, 255 - 40 * i, 90)


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (1024, 256), (100, 1000), (333, 517), (16, 16)])
def test_any_size_fits_without_distortion(width: int, height: int) -> None:
    ball = Image.fromarray(
        (np.hypot(*np.mgrid[-1:1:64j, -1:1:64j])[..., None] < 0.9).astype(np.uint8) * np.uint8([0, 0, 0, 255])
    )
    grid = np.asarray(make_grid([ball] * 6, width, height))
    assert grid.shape == (height, width, 3)
    if min(width, height) > 90:
        dark = grid[..., 0] < 128
        columns = np.flatnonzero(np.diff(np.concatenate([[0], dark.any(0), [0]])))
        rows = np.flatnonzero(np.diff(np.concatenate([[0], dark.any(1), [0]])))
        assert abs((columns[1] - columns[0]) - (rows[1] - rows[0])) <= 2


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("white", (255,) * 4),
        ("grey", (127, 127, 127, 255)),
        ("#ff000080", (255, 0, 0, 128)),
        ("transparent", (0, 0, 0, 0)),
        ("Tomato", (255, 99, 71, 255)),
    ],
)
def test_backgrounds(name: str, colour: tuple[int, ...]) -> None:
    assert parse_background(name) == colour
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    pixel = make_grid([clear], 32, 32, name).getpixel((5, 5))
    assert tuple(pixel)[:3] == colour[:3]


@pytest.mark.parametrize("name", ["", "blurple", "#12", "url(x)", "rgb(1,2)"])
def test_unknown_backgrounds_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_background(name)


@pytest.mark.parametrize("size", [(15, 100), (100, 1025)])
def test_grid_sizes_are_limited(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest):
        make_grid(squares(6), *size)


def test_saved_views_and_their_cameras(views: ViewSet, tmp_path: Path) -> None:
    files = views.save(tmp_path)
    assert {f"{kind}-{i:03d}.png" for kind in ("view", "mask", "depth", "normal") for i in range(6)} <= files.keys()
    assert Image.open(files["depth-000.png"]).mode.startswith("I;16")
    about = json.loads(files["views.json"].read_text())["views"][1]
    # The cameras describe the pictures: a surface point found by depth projects back onto its pixel.
    view = views[1]
    assert view.depth is not None
    row, column = np.argwhere(np.isfinite(view.depth))[50]
    k = np.array(about["intrinsics"])
    ray = np.linalg.inv(k) @ [column + 0.5, row + 0.5, 1]
    world = np.array(about["camera_to_world_opencv"]) @ [*(ray * view.depth[row, column]), 1]
    assert np.abs(world[:3]).max() < 0.6
    back = k @ (np.array(about["world_to_camera_opencv"]) @ world)[:3]
    assert np.allclose(back[:2] / back[2], [column + 0.5, row + 0.5])


def test_transforms_json_is_nerfs(views: ViewSet) -> None:
    document = transforms_json(list(views), [f"{i}.png" for i in range(6)])
    assert document["camera_angle_x"] == pytest.approx(math.radians(30))
    assert document["fl_x"] == pytest.approx(64 / math.tan(math.radians(15)))
    matrix = np.array(document["frames"][0]["transform_matrix"])
    assert np.allclose(-matrix[:3, 2] * views[0].camera.distance + matrix[:3, 3], 0, atol=1e-9)  # looks at the origin


@pytest.mark.parametrize("ending", [".webp", ".gif", ".mp4"])
@pytest.mark.parametrize("background", ["white", "transparent"])
def test_turntables_play(ending: str, background: str, tmp_path: Path) -> None:
    frames = []
    for i in range(12):
        frame = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        frame.paste((250, 20, 20, 255), (4 * i, 20, 4 * i + 14, 40))
        frames.append(frame)
    path = write_turntable(frames, tmp_path / f"turn{ending}", background)
    if ending == ".mp4":
        import av

        with av.open(str(path)) as container:
            pictures = [frame.to_image() for frame in container.decode(video=0)]
    else:
        opened = Image.open(path)
        assert opened.info["loop"] == 0
        pictures = []
        for i in range(opened.n_frames):
            opened.seek(i)
            pictures.append(opened.convert("RGBA"))
    assert len(pictures) == 12
    for i in (0, 5, 11):
        assert pictures[i].getpixel((4 * i + 7, 30))[0] > 200
        corner = pictures[i].getpixel((62, 62))
        assert corner[3] == 0 if background == "transparent" and ending != ".mp4" else min(corner[:3]) > 240


def test_a_turntable_needs_frames_and_a_known_ending(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        write_turntable([], tmp_path / "a.gif")
    with pytest.raises(InvalidRequest):
        write_turntable(squares(2), tmp_path / "a.avi")


def test_the_glb_opens_with_its_texture(views: ViewSet, tmp_path: Path) -> None:
    files = write_format(views, "glb", tmp_path)
    mesh = next(iter(trimesh.load(files["object.glb"]).geometry.values()))
    assert len(mesh.faces) > 500
    assert np.linalg.norm(mesh.extents) == pytest.approx(1, abs=0.03)
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")).reshape(-1, 3)
    red = (texture[:, 0] > 150) & (texture[:, 1] < 100)
    assert red.mean() > 0.05  # the body's colour


def test_the_glb_is_valid(views: ViewSet, tmp_path: Path) -> None:
    """Khronos' own validator, where npm can bring it."""
    if shutil.which("npm") is None:
        pytest.skip("LOUD: no npm here, the GLB is not checked by the Khronos validator")
    install = subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "gltf-validator@2.0.0-dev.3.10"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if install.returncode:
        pytest.skip(f"LOUD: npm could not install gltf-validator: {install.stderr[-200:]}")
    write_format(views, "glb", tmp_path)
    script = (
        "require('gltf-validator').validateBytes(new Uint8Array(require('fs').readFileSync('object.glb')))"
        ".then(report => console.log(JSON.stringify(report.issues)))"
    )
    report = json.loads(
        subprocess.run(
            ["node", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        ).stdout
    )
    assert report["numErrors"] == 0, report["messages"][:5]
    assert report["numWarnings"] == 0, report["messages"][:5]


def test_everything_in_one_zip(views: ViewSet, tmp_path: Path) -> None:
    for name in ("grid", "views", "zip"):
        files = write_format(views, name, tmp_path)
    with zipfile.ZipFile(files["views.zip"]) as archive:
        assert {"grid.png", "view-000.png", "transforms.json"} <= set(archive.namelist())
    before = files["views.zip"].read_bytes()
    assert write_format(views, "zip", tmp_path)["views.zip"].read_bytes() == before


def test_unknown_formats_and_missing_geometry(views: ViewSet, tmp_path: Path) -> None:
    assert "turntable" in FORMATS
    with pytest.raises(InvalidRequest):
        write_format(views, "fbx", tmp_path)
    flat = ViewSet([View(Image.new("RGBA", (32, 32)), Camera(0, 0, 2))])
    for name in ("glb", "turntable"):
        with pytest.raises(InvalidRequest, match="engine"):
            write_format(flat, name, tmp_path)


def test_view_sets_are_sequences(views: ViewSet) -> None:
    assert views[0] is next(iter(views))
    assert len(views[1:3]) == 2
    assert orbitview.__version__
