"""Meshes and prints, each opened by a reader that is not ours."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from orbitview import InvalidRequest, ViewSet, generate
from orbitview.outputs import OutputOptions, parse_length, write_format


@pytest.fixture(scope="module")
def views() -> ViewSet:
    from conftest import make_figure

    return generate(make_figure(), "sides-4", size=64, seed=0)


def red_share(colours: np.ndarray) -> float:
    return float(((colours[:, 0] > 150) & (colours[:, 1] < 100)).mean())


def test_obj_with_its_material_and_picture(views: ViewSet, tmp_path: Path) -> None:
    files = write_format(views, "obj", tmp_path, object_height="12cm", faces=3000, texture=256)
    assert set(files) == {"object.obj", "object.mtl", "object.png"}
    mesh = trimesh.load(files["object.obj"], force="mesh", process=False)
    assert len(mesh.faces) <= 3000
    assert mesh.extents[1] == pytest.approx(0.12, rel=1e-4)  # metres, y up
    assert mesh.bounds[0][1] == pytest.approx(0, abs=1e-6)  # stands
    assert mesh.visual.material.image.size == (256, 256)
    assert list(mesh.visual.material.diffuse[:3]) == [255, 255, 255]  # Kd 1 beside the texture
    assert red_share(np.asarray(mesh.visual.to_color().vertex_colors)) > 0.1
    ours = views.mesh
    assert ours is not None
    assert mesh.volume > 0


def test_ply_with_colours(views: ViewSet, tmp_path: Path) -> None:
    mesh = trimesh.load(write_format(views, "ply", tmp_path)["object.ply"], process=False)
    assert red_share(np.asarray(mesh.visual.vertex_colors)) > 0.1
    assert np.linalg.norm(mesh.extents) == pytest.approx(1, abs=0.03)
    assert len(mesh.faces) > 40_000  # fine enough to show the picture
    few = trimesh.load(write_format(views, "ply", tmp_path, faces=2000)["object.ply"], process=False)
    assert len(few.faces) <= 2000
    # The texture's charts are sewn together again: hardly an edge has one face only.
    assert len(trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1)) < 0.002 * len(mesh.edges)


@pytest.mark.parametrize("side", [("object_height", 2), ("object_width", 0), ("object_length", 1)])
def test_prints_are_solid_and_stand(views: ViewSet, tmp_path: Path, side: tuple[str, int]) -> None:
    for name in ("stl", "3mf"):
        path = write_format(views, name, tmp_path, **{side[0]: "4.5cm"})[f"object.{name}"]
        mesh = trimesh.load(path, force="mesh") if name == "stl" else read_3mf(path)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume > 0
        assert mesh.extents[side[1]] == pytest.approx(45, rel=1e-3)  # millimetres
        assert mesh.bounds[0][2] == pytest.approx(0, abs=1e-4)
        foot = mesh.facets_area[np.abs(mesh.facets_normal @ [0, 0, -1] - 1) < 1e-3]
        assert foot.sum() > 10  # mm²: a flat foot
        # Upright, the picture's right on the right: legs are below (narrow parts), the body above.
        middle = mesh.bounds.mean(0)
        upper, lower = (mesh.vertices[keep] for keep in (mesh.vertices[:, 2] > middle[2], mesh.vertices[:, 2] < 5))
        assert np.ptp(upper[:, 0]) > np.ptp(lower[:, 0])


def read_3mf(path: Path) -> trimesh.Trimesh:
    """By the 3MF Consortium's own library, in strict mode, as slicers do."""
    lib3mf = pytest.importorskip("lib3mf", reason="LOUD: lib3mf is not installed, 3MF is not checked by its library")
    from lib3mf import get_wrapper

    assert lib3mf
    model = get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    assert model.GetUnit().name == "MilliMeter"
    objects = model.GetMeshObjects()
    assert objects.MoveNext()
    body = objects.GetCurrentMeshObject()
    assert body.IsManifoldAndOriented()
    points = [list(vertex.Coordinates) for vertex in body.GetVertices()]
    faces = [list(triangle.Indices) for triangle in body.GetTriangleIndices()]
    return trimesh.Trimesh(points, faces, process=False)


def test_a_face_budget_keeps_prints_solid(views: ViewSet, tmp_path: Path) -> None:
    mesh = trimesh.load(write_format(views, "stl", tmp_path, faces=500)["object.stl"])
    assert len(mesh.faces) < 700  # the foot adds some
    assert mesh.is_watertight


def test_usdz_opens_in_usd(views: ViewSet, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="LOUD: usd-core is not installed, USDZ is not checked by it")
    from pxr import Usd, UsdGeom, UsdShade, UsdValidation

    path = write_format(views, "usdz", tmp_path, object_height="30cm")["object.usdz"]
    stage = Usd.Stage.Open(str(path))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    found = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in found] == []
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/object/mesh"))
    points = np.array(mesh.GetPointsAttr().Get())
    assert np.ptp(points[:, 1]) == pytest.approx(0.3, rel=1e-4)
    assert points[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert len(points) <= 100_000
    uv = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get())
    assert len(uv) == len(points)
    assert uv.min() >= 0
    assert uv.max() <= 1
    material, _ = UsdShade.MaterialBindingAPI(mesh.GetPrim()).ComputeBoundMaterial()
    assert material.ComputeSurfaceSource()[0].GetIdAttr().Get() == "UsdPreviewSurface"
    picture, colours = texture_of(path), []
    for u, v in uv:
        x, y = min(int(u * picture.width), picture.width - 1), min(int((1 - v) * picture.height), picture.height - 1)
        colours.append(picture.getpixel((x, y)))
    assert red_share(np.array(colours)) > 0.1  # USD's v grows upwards


def texture_of(path: Path) -> Image.Image:
    """The picture, out of a package whose entries are stored plain and start at multiples of 64 bytes."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "object.usda"
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            head = path.read_bytes()[entry.header_offset : entry.header_offset + 30]
            start = (
                entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            )
            assert start % 64 == 0
        return Image.open(io.BytesIO(archive.read("texture.jpg"))).convert("RGB")


def test_glb_in_metres_and_within_what_phones_take(views: ViewSet, tmp_path: Path) -> None:
    path = write_format(views, "glb", tmp_path, object_width="1ft")["object.glb"]
    scene = trimesh.load(path)
    mesh = next(iter(scene.geometry.values()))
    assert mesh.extents[0] == pytest.approx(0.3048, rel=1e-4)
    assert len(mesh.vertices) <= 30_000
    assert path.stat().st_size < 4_000_000
    assert mesh.visual.material.baseColorTexture.format == "JPEG"
    assert views.mesh is not None
    assert np.linalg.norm(views.mesh.extents) == pytest.approx(1, abs=0.03)  # the set's own mesh is left as it was


@pytest.mark.parametrize(
    ("text", "metres"), [("12cm", 0.12), ("120 mm", 0.12), ("0.12m", 0.12), (".5M", 0.5), ("1in", 0.0254)]
)
def test_lengths(text: str, metres: float) -> None:
    assert parse_length(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["12", "cm", "-3cm", "0cm", "1e3m", "3 yards", "9999m", ""])
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest, match="12cm"):
        parse_length(text)


def test_unknown_options_name_the_nearest(views: ViewSet, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="object_height"):
        write_format(views, "glb", tmp_path, objectheight="3cm")
    with pytest.raises(InvalidRequest, match="whole number"):
        OutputOptions(faces=1.5)  # type: ignore[arg-type]
