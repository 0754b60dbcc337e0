"""Several pictures of one object: what is made of them, what is found, and what is said where they disagree."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image, ImageDraw

import orbitview
from orbitview import Camera, InvalidImage, InvalidRequest, generate
from orbitview.images import split_figures


def ball(colour: tuple[int, int, int], gain: float = 1.0, size: int = 256) -> Image.Image:
    """A ball of one colour under a lamp, cut out."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    inside = np.hypot(x, y) < 0.8
    light = 0.75 + 0.2 * np.sqrt(np.clip(0.64 - x**2 - y**2, 0, None))
    pixels = np.clip(np.array(colour) * light[..., None] * gain, 0, 255)
    return Image.fromarray(np.dstack([pixels, inside * 255]).astype(np.uint8))


def mean_colour(view: orbitview.View) -> np.ndarray:
    pixels = np.asarray(view.image, float)
    return np.asarray(pixels[pixels[..., 3] > 250][:, :3].mean(0))


RED, BLUE = (200, 60, 50), (40, 70, 190)
TOLD = [Camera(0, 0, 2.0), Camera(180, 0, 2.0)]


def test_the_back_comes_from_its_own_picture() -> None:
    views = generate([ball(RED), ball(BLUE)], [(0, 0), (180, 0)], input_camera=TOLD, size=96)
    front, back = map(mean_colour, views)
    assert front[0] > front[2] + 60
    assert back[2] > back[0] + 60
    about = views.meta["input_camera"]
    assert [one["azimuth"] for one in about] == [0, 180]
    assert [one["estimated"] for one in about] == [False, False]


def test_different_exposures_leave_no_seam() -> None:
    """Seen from the side, where the two pictures meet, the darker one's half is as bright as the other's."""
    pair = [ball((190, 150, 120)), ball((190, 150, 120), gain=0.72)]
    views = generate(pair, [(90, 0)], input_camera=TOLD, size=128)
    pixels = np.asarray(views[0].image, float)[..., :3].mean(-1)
    middle = slice(54, 74)
    left, right = pixels[middle, 40:52].mean(), pixels[middle, 76:88].mean()
    assert abs(left - right) < 0.06 * max(left, right)


@pytest.mark.parametrize("engine", ["lift", "inflate"])
def test_one_picture_in_a_list_is_one_picture(figure: Image.Image, engine: str) -> None:
    alone = generate(figure, [(30, 20)], engine=engine, size=64, seed=1)
    listed = generate([figure], [(30, 20)], engine=engine, size=64, seed=1)
    assert np.array_equal(np.asarray(alone[0].image), np.asarray(listed[0].image))
    assert alone.meta | {"seconds": 0} == listed.meta | {"seconds": 0}


def test_what_is_not_told_is_found_and_said(figure: Image.Image) -> None:
    views = generate([figure, figure], [(180, 0)], size=64)
    about = views.meta["input_camera"]
    assert len(about) == 2
    assert about[1]["found"] is True
    assert 0 <= about[1]["sure"] <= 1
    assert len(views.meta["cutout"]) == 2


def test_two_different_objects_end_in_a_result_and_a_warning() -> None:
    bar = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(bar).rectangle((20, 116, 236, 140), fill=(90, 200, 90, 255))
    views = generate([make_figure(256), bar], [(120, 0)], input_camera=TOLD, size=64)
    assert np.asarray(views[0].mask).any()
    assert any("Picture 2" in warning for warning in views.meta["warnings"])


def test_azimuths_are_relative_to_the_first() -> None:
    cameras = [Camera(30, 0, 2.0), Camera(210, 0, 2.0)]
    views = generate([ball(RED), ball(BLUE)], [(180, 0)], input_camera=cameras, size=48)
    assert views.meta["input_camera"][1]["azimuth"] == 180
    told = generate([ball(RED), ball(BLUE)], [(180, 0)], input_camera=[None, 180], size=48)
    assert told.meta["input_camera"][1]["azimuth"] == 180
    assert told.meta["input_camera"][1]["found"] is False


def test_a_scene_of_several_pictures_can_be_kept() -> None:
    from orbitview.kept import pack_scene, unpack_scene

    views = generate([ball(RED), ball(BLUE)], [(180, 0)], input_camera=TOLD, size=48)
    packed = pack_scene(views)
    assert packed is not None
    again = unpack_scene(packed)
    assert np.array_equal(np.asarray(again[0].image), np.asarray(views[0].image))
    assert mean_colour(views.scene.render(Camera(180), 48))[2] > 100


@pytest.mark.parametrize(
    ("pictures", "cameras"),
    [([], None), ([ball(RED)] * 9, None), ([ball(RED)] * 2, [0, 90, 180]), ([ball(RED)] * 2, [0, "back"])],
)
def test_wrong_lists_are_refused(pictures: list[Image.Image], cameras: object) -> None:
    with pytest.raises(InvalidRequest):
        generate(pictures, input_camera=cameras)  # type: ignore[arg-type]


def test_an_error_says_which_picture() -> None:
    with pytest.raises(InvalidImage, match="Picture 2"):
        generate([ball(RED), b"no picture"])


def test_engines_of_one_picture_take_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from orbitview.engines import get_engine

    engine = get_engine("inflate")
    monkeypatch.setattr(engine, "info", replace(engine.info, features=engine.info.features - {"pictures"}))
    views = generate([ball(RED), ball(BLUE)], [(180, 0)], engine="inflate", size=48)
    assert views.meta["ignored"] == ["pictures"]
    assert isinstance(views.meta["input_camera"], dict)


def test_a_sheet_splits_into_its_figures() -> None:
    sheet = Image.new("RGB", (900, 320), "white")
    for number in range(3):
        figure = make_figure(260)
        sheet.paste(figure, (20 + 300 * number, 30), figure)
    figures = split_figures(sheet)
    assert len(figures) == 3
    assert sum(figure.width for figure in figures) == 900
    with pytest.raises(InvalidImage):
        split_figures(figures[0])


def test_the_command_line_takes_other_sides(tmp_path: Path) -> None:
    from test_cli import small

    ball(RED).save(tmp_path / "front.png")
    ball(BLUE).save(tmp_path / "back.png")
    out = tmp_path / "out"
    done = small(tmp_path / "front.png", "--also", f"{tmp_path / 'back.png'}@180", "-o", out)
    assert done.returncode == 0, done.stderr
    back = np.asarray(Image.open(out / "view-002.png"), float)
    back = back[back[..., 3] > 250][:, :3].mean(0)
    assert back[2] > back[0]
    wrong = small(tmp_path / "front.png", "--also", f"{tmp_path / 'back.png'}@north", "-o", out)
    assert wrong.returncode == 2
    assert "azimuth" in wrong.stderr


def test_the_command_line_takes_a_sheet(tmp_path: Path) -> None:
    from test_cli import small

    sheet = Image.new("RGB", (660, 300), "white")
    for number, colour in enumerate((RED, BLUE)):
        figure = ball(colour).resize((260, 260))
        sheet.paste(figure, (30 + 330 * number, 20), figure)
    sheet.save(tmp_path / "sheet.png")
    done = small(tmp_path / "sheet.png", "--split", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)[0]["meta"]["input_camera"]
    assert [camera["azimuth"] for camera in told] == [0, 180]
    ball(RED).save(tmp_path / "one.png")
    wrong = small(tmp_path / "one.png", "--split", "-o", tmp_path / "no")
    assert wrong.returncode != 0
    assert "does not split" in wrong.stderr


def test_a_hosted_form_takes_several_file_parts(tmp_path: Path) -> None:
    import httpx
    from server_process import running, wait_until_ended

    def part(colour: tuple[int, int, int]) -> tuple[str, tuple[str, bytes, str]]:
        buffer = io.BytesIO()
        ball(colour).save(buffer, "PNG")
        return "image[]", ("a.png", buffer.getvalue(), "image/png")

    with running(tmp_path) as server:
        fields = {"engine": "inflate", "width": "128", "height": "192", "formats": "views"}
        url = server.url + "/api/v5/multiview"
        answer = httpx.post(url, data=fields, files=[part(RED), part(BLUE)]).json()
        job = wait_until_ended(server.url, answer["id"])
        assert job["status"] == "success", job
        assert len(job["meta"]["input_camera"]) == 2  # type: ignore[index]


def test_bodies_with_several_pictures() -> None:
    from orbitview.operations.inputs import pictures_of
    from orbitview.operations.reader import BadFields, Reader

    buffer = io.BytesIO()
    ball(RED).save(buffer, "PNG")

    def read(**body: object) -> list[dict[str, object]]:
        reader = Reader(body)
        entries = pictures_of(reader)
        reader.done()
        return entries

    one, two = "https://example.com/a.png?x=1,2", "http://example.com/b.png"
    assert read(image=f"{one}, {two}") == [{"image": one}, {"image": two}]
    assert read(image=[one, two]) == [{"image": one}, {"image": two}]
    assert read(image=one) == [{"image": one}]
    assert read(images=[{"image": one}, {"image": two, "azimuth": "180"}])[1] == {"image": two, "azimuth": 180.0}
    for wrong in (
        {"images": []},
        {"images": [{"image": one, "azimuth": "north"}]},
        {"images": [3]},
        {"image": [one] * 9},
    ):
        with pytest.raises(BadFields):
            read(**wrong)
