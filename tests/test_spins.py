"""The object turning, for shops: frames, a page, films; decoded by what will show them."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orbitview import InvalidRequest, ViewSet, generate
from orbitview.outputs import OutputOptions, write_format, write_turntable
from orbitview.outputs.turntable import turn_cameras

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def views() -> ViewSet:
    from conftest import make_figure

    return generate(make_figure(), "sides-4", size=64, seed=0, engine="inflate")


def test_frames_are_numbered_from_one_in_a_folder_of_their_own(views: ViewSet, tmp_path: Path) -> None:
    files = write_format(views, "frames", tmp_path, frames=8, turntable_size=64, object_name="mug")
    assert list(files) == [f"frames/mug-{i}.jpg" for i in range(1, 9)]
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == sorted(f"mug-{i}.jpg" for i in range(1, 9))
    for path in files.values():
        with Image.open(path) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 64), "RGB")
    # Another run with fewer leaves none of the first.
    assert len(write_format(views, "frames", tmp_path, frames=4, turntable_size=64)) == 4
    assert len(list((tmp_path / "frames").iterdir())) == 4


@pytest.mark.parametrize(("kind", "format_"), [("webp", "WEBP"), ("png", "PNG")])
def test_names_kinds_and_rows_can_be_chosen(views: ViewSet, tmp_path: Path, kind: str, format_: str) -> None:
    files = write_format(
        views,
        "frames",
        tmp_path,
        frames=4,
        turntable_size=48,
        elevations=(10.0, 45.0),
        frame_type=kind,
        frame_name="spin_{row}_{index:02d}",
        background="transparent",
    )
    assert next(iter(files)) == f"frames/spin_1_01.{kind}"
    assert len(files) == 8
    with Image.open(files[f"frames/spin_2_04.{kind}"]) as picture:
        assert picture.format == format_
        assert picture.getpixel((1, 1))[3] == 0
    low, high = (np.asarray(Image.open(files[f"frames/spin_{row}_01.{kind}"])) for row in (1, 2))
    assert np.abs(low.astype(int) - high.astype(int)).mean() > 2


def test_start_direction_and_easing() -> None:
    plain = [c.azimuth for c in turn_cameras(OutputOptions(frames=4))]
    assert plain == [0, 90, 180, 270]
    assert [c.azimuth for c in turn_cameras(OutputOptions(frames=4, direction="counterclockwise"))] == [0, 270, 180, 90]
    assert [c.azimuth for c in turn_cameras(OutputOptions(frames=4, start=30.0))] == [30, 120, 210, 300]
    eased = np.array([c.azimuth for c in turn_cameras(OutputOptions(frames=36, easing="smooth"), easing=True)])
    steps = np.diff(eased)
    assert (steps > 0).all()
    assert steps[0] < 5 < 15 < steps[17]


@pytest.mark.skipif(CHROMIUM is None, reason="LOUD: no Chromium here, spin.html is not tried in a browser")
def test_a_dragged_page_turns_in_a_browser(views: ViewSet, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    options = {"frames": 12, "turntable_size": 128, "elevations": (10.0, 50.0), "object_name": "A mug & bowl"}
    path = write_format(views, "spin", tmp_path, **options)["spin.html"]
    with sync_api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 400, "height": 300})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.goto(path.as_uri())
        picture = page.locator("#spin")
        page.wait_for_function("document.getElementById('spin').naturalWidth === 128")
        box = picture.bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (128, 128)
        assert page.title() == "A mug & bowl"
        first = picture.screenshot()
        x, y = box["x"] + 100, box["y"] + 20
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 32, y, steps=4)  # a quarter of the picture: a quarter turn
        assert picture.get_attribute("data-frame") == "3"
        page.mouse.move(x - 32, y + 64, steps=4)
        assert picture.get_attribute("data-row") == "1"
        page.mouse.up()
        page.mouse.move(x + 10, y)
        assert picture.get_attribute("data-frame") == "3"
        assert picture.screenshot() != first
        picture.focus()
        page.keyboard.press("ArrowRight")
        assert picture.get_attribute("data-frame") == "2"
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert picture.get_attribute("data-frame") == "11"
        # Whichever way the frames go, the front follows the hand.
        other = write_format(views, "spin", tmp_path, **options | {"direction": "counterclockwise"})["spin.html"]
        page.goto(other.as_uri())
        page.wait_for_function("document.getElementById('spin').naturalWidth === 128")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 32, y, steps=4)
        page.mouse.up()
        assert picture.get_attribute("data-frame") == "9"  # 90 degrees on, counted the other way round
        page.keyboard.press("ArrowRight")
        assert picture.get_attribute("data-frame") == "10"
        browser.close()
    assert said == []
    assert set(asked) <= {"file", "data"}  # nothing is loaded


def boxes(content: bytes) -> list[str]:
    names, at = [], 0
    while at < len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        names.append(name.decode())
        at += length
    return names


@pytest.mark.parametrize("side", [64, 63, 720])
@pytest.mark.parametrize("colour", [(255, 0, 0), (20, 160, 60), (30, 60, 200), (128, 128, 128)])
def test_films_start_at_once_and_keep_their_colours(side: int, colour: tuple[int, int, int], tmp_path: Path) -> None:
    """Sizes on both sides of where players without tags change from BT.601 to BT.709."""
    import av
    from av.video.reformatter import Colorspace, VideoReformatter

    path = write_turntable([Image.new("RGBA", (side, side), (*colour, 255))] * 4, tmp_path / "a.mp4")
    names = boxes(path.read_bytes())
    assert names.index("moov") < names.index("mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (int(context.colorspace), int(context.color_primaries), int(context.color_trc)) == (1, 1, 1)
        assert int(context.color_range) == 1  # limited
        assert (context.width % 2, context.height % 2) == (0, 0)
        frame = next(container.decode(video=0))
        # A decoder that believes the tags: matrix and range as the stream states them.
        matrix = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.SMPTE170M}[int(frame.colorspace)]
        shown = VideoReformatter().reformat(frame, format="rgb24", src_colorspace=matrix).to_ndarray()
    assert np.abs(shown[8, 8].astype(int) - colour).max() <= 3


def test_films_last_as_long_as_asked(views: ViewSet, tmp_path: Path) -> None:
    import av

    options = {"frames": 14, "seconds": 3.0, "turntable_size": 48}
    for name in ("turntable-mp4", "turntable-gif", "turntable"):
        (path,) = write_format(views, name, tmp_path, **options).values()
        if path.suffix == ".mp4":
            with av.open(str(path)) as container:
                assert container.streams.video[0].frames == 14
                assert float(container.duration) / 1e6 == pytest.approx(3, abs=0.05)
        else:
            with Image.open(path) as film:
                total = 0.0
                for i in range(film.n_frames):
                    film.seek(i)
                    film.load()
                    total += film.info["duration"]
                assert total == pytest.approx(3000, abs=5)


def test_wrong_choices_are_refused() -> None:
    for wrong in (
        {"frames": 3},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"elevations": ()},
        {"elevations": (100.0,)},
        {"frame_name": "{nothing}"},
        {"frame_name": "a/{index}"},
        {"frame_name": "{index}", "elevations": (0.0, 10.0)},
        {"turntable_size": 4000},
        {"start": float("inf")},
    ):
        with pytest.raises(InvalidRequest):
            OutputOptions(**wrong)  # type: ignore[arg-type]
