"""Views as training data, read as the trainers read them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import trimesh
from conftest import make_figure
from PIL import Image
from scipy.spatial import cKDTree

from orbitview import Camera, InvalidRequest, ViewSet, generate
from orbitview.outputs import save_views, write_format
from orbitview.outputs.points import surface_points


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return generate(make_figure(), "orbit-12@20", size=96, seed=0)


def gaussian_splatting_cameras(folder: Path, file: str) -> list[tuple[np.ndarray, np.ndarray, float, Image.Image]]:
    """What the original 3DGS trainer's loader of synthetic scenes does with a transforms file: R, T, field of view and
    picture of each frame (its description: OpenGL camera-to-world, y and z turned over, then inverted; the rotation is
    kept transposed; ``.png`` is appended to the path)."""
    document = json.loads((folder / file).read_text())
    found = []
    for frame in document["frames"]:
        pose = np.array(frame["transform_matrix"])
        pose[:3, 1:3] *= -1
        inverse = np.linalg.inv(pose)
        picture = Image.open(folder / (frame["file_path"] + ".png"))
        found.append((inverse[:3, :3].T, inverse[:3, 3], document["camera_angle_x"], picture))
    return found


def test_the_gaussian_splatting_loader_finds_every_frame(views: ViewSet, tmp_path: Path) -> None:
    write_format(views, "views", tmp_path)
    train = gaussian_splatting_cameras(tmp_path, "transforms_train.json")
    test = gaussian_splatting_cameras(tmp_path, "transforms_test.json")
    assert len(gaussian_splatting_cameras(tmp_path, "transforms_val.json")) >= 1
    assert (len(train), len(test)) == (11, 1)
    cloud = trimesh.load(tmp_path / "points3d.ply")
    points, colours = np.asarray(cloud.vertices), np.asarray(cloud.colors)[:, :3].astype(float)
    assert len(points) > 1000
    for rotation, place, angle, picture in train + test:
        assert picture.mode == "RGBA"
        # Points of the cloud fall on the object in every picture, and in some of them on their own colour.
        local = points @ rotation + place
        focal = picture.width / 2 / math.tan(angle / 2)
        at = np.floor(local[:, :2] / local[:, 2:] * focal + picture.width / 2).astype(int)
        pixels = np.asarray(picture)[at[:, 1], at[:, 0]].astype(float)
        assert (pixels[:, 3] > 0).mean() > 0.98
        assert (np.abs(pixels[:, :3] - colours).max(1) < 30).mean() > 0.3


def test_the_point_cloud_has_what_the_trainer_reads(views: ViewSet, tmp_path: Path) -> None:
    head = write_format(views, "views", tmp_path)["points3d.ply"].read_bytes().split(b"end_header")[0].decode()
    for name in ("float x", "float y", "float z", "float nx", "float ny", "float nz", "uchar red", "uchar blue"):
        assert f"property {name}\n" in head


def test_few_views_still_give_every_file(tmp_path: Path) -> None:
    from conftest import make_figure

    one = generate(make_figure(), [Camera(0, 0)], size=48, engine="inflate")
    write_format(one, "views", tmp_path)
    assert len(json.loads((tmp_path / "transforms_train.json").read_text())["frames"]) == 1
    mixed = generate(make_figure(), [Camera(0, 0, fov=20), Camera(90, 0, fov=40)], size=48, engine="inflate")
    write_format(mixed, "views", tmp_path / "mixed")
    assert not (tmp_path / "mixed" / "transforms_train.json").exists()  # one angle for all cannot be said
    assert "camera_angle_x" not in json.loads((tmp_path / "mixed" / "transforms.json").read_text())


def test_nerfstudio_finds_masks_and_metric_depth(views: ViewSet, tmp_path: Path) -> None:
    write_format(views, "views", tmp_path)
    document = json.loads((tmp_path / "transforms.json").read_text())
    assert (tmp_path / document["ply_file_path"]).exists()
    for frame, view in zip(document["frames"], views, strict=True):
        depth = np.asarray(Image.open(tmp_path / frame["depth_file_path"])).astype(float) * 1e-3  # its default unit
        mask = np.asarray(Image.open(tmp_path / frame["mask_path"]))
        assert view.depth is not None
        on = np.isfinite(view.depth)
        assert np.abs(depth[on] - view.depth[on]).max() <= 0.0005001
        assert not depth[~on].any()
        assert (mask[on] > 0).all()
        exact = np.load(tmp_path / frame["depth_file_path"].replace("-metric", "").replace(".png", ".npz"))["depth"]
        assert np.array_equal(exact, view.depth)


def test_colmap_reads_its_model(views: ViewSet, tmp_path: Path) -> None:
    pycolmap = pytest.importorskip("pycolmap", reason="LOUD: pycolmap is not installed, the model is not read by it")
    files = write_format(views, "colmap", tmp_path, background="white")
    assert "colmap/sparse/0/images.txt" in files
    model = pycolmap.Reconstruction(str(tmp_path / "colmap" / "sparse" / "0"))
    assert model.num_reg_images() == len(views)
    assert model.num_points3D() > 500
    errors = []
    for number, view in zip(sorted(model.images), views, strict=True):
        image = model.images[number]
        assert Image.open(tmp_path / "colmap" / "images" / image.name).size == (96, 96)
        assert np.allclose(image.projection_center(), view.camera.position, atol=1e-5)
        camera = model.cameras[image.camera_id]
        assert camera.model.name == "PINHOLE"
        assert camera.focal_length_x == pytest.approx(view.camera.intrinsics(96)[0, 0])
        for observed in image.get_observation_points2D():
            point = model.points3D[observed.point3D_id]
            errors.append(np.linalg.norm(image.project_point(point.xyz) - observed.xy))
    assert len(errors) > 2000
    assert max(errors) < 0.5
    assert model.compute_mean_reprojection_error() < 0.5
    colours = np.array([point.color for point in model.points3D.values()])
    assert ((colours[:, 0] > 150) & (colours[:, 1] < 100)).mean() > 0.1


@pytest.mark.parametrize("renderer", ["auto", "numpy"])
def test_orthographic_cameras_draw_the_object_where_they_project_it(renderer: str) -> None:
    """The object's own vertices, projected directly, against the silhouette and the depth that are drawn."""
    cameras = [
        Camera(a, e, projection="orthographic", scale=s) for a, e, s in ((0, 0, 1.1), (70, 25, 1.4), (200, -40, None))
    ]
    views = generate(make_figure(), cameras, size=96, engine="inflate", renderer=renderer)
    for asked, view in zip(cameras, views, strict=True):
        assert view.camera.azimuth == asked.azimuth
        assert view.camera.scale == asked.scale or asked.scale is None
        assert view.depth is not None
        found = view.camera.project(views.scene.vertices, 96)
        covered = np.isfinite(view.depth)
        rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
        drawn = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert np.allclose(drawn, [*found[:, :2].min(0), *found[:, :2].max(0)], atol=1.0)
        assert view.depth[covered].min() == pytest.approx(found[:, 2].min(), abs=0.01)
        cell = np.floor(found[:, :2]).astype(int)
        inside = ((cell >= 0) & (cell < 96)).all(1)
        nearest = np.full(len(found), np.inf)
        nearest[inside] = view.depth[cell[inside, 1], cell[inside, 0]]
        # No vertex is in front of what is drawn at its pixel, but where a pixel's surface slopes.
        assert (found[inside, 2] > nearest[inside] - 0.06)[np.isfinite(nearest[inside])].mean() > 0.99
    points = surface_points(list(views))
    assert points is not None
    assert cKDTree(views.scene.vertices).query(points.places)[0].max() < 0.02  # about a face's side


def test_files_of_pinhole_cameras_leave_orthographic_ones_out(tmp_path: Path) -> None:
    views = generate(
        make_figure(), [Camera(30, 10, projection="orthographic"), Camera(90, 10)], size=48, engine="inflate"
    )
    written = save_views(views, tmp_path)
    assert "views.json" in written
    assert not [name for name in written if name.startswith("transforms")]
    told = json.loads((tmp_path / "views.json").read_text())["views"]
    assert told[0]["projection"] == "orthographic"
    assert "fov" not in told[0]
    assert told[0]["intrinsics"][0][0] == pytest.approx(48 / told[0]["scale"])
    assert told[1]["fov"] == 30
    assert "projection" not in told[1]
    with pytest.raises(InvalidRequest, match="COLMAP has no orthographic"):
        write_format(views, "colmap", tmp_path)


def test_the_pictures_own_camera_cannot_be_orthographic() -> None:
    with pytest.raises(InvalidRequest, match="perspective") as caught:
        generate(make_figure(), input_camera=Camera(0, 20, projection="orthographic"), engine="inflate")
    assert caught.value.field == "input_camera"
