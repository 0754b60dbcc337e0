"""What goes into a job on the page: the cut-out and its mending, several pictures, options, many pictures at once."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile

import httpx
import numpy as np
import pytest
from browsing import (
    PATIENCE,
    Browser,
    HeldServer,
    Page,
    accessible,
    browser,  # noqa: F401
    expect,
    finished,
    needs_browser,
    opened,
    page,  # noqa: F401
    png,
    server,  # noqa: F401
    upload,
)
from conftest import make_figure
from PIL import Image

pytestmark = needs_browser
DATA = "data:image/png;base64,"


def sent(page: Page) -> list[dict[str, object]]:  # noqa: F811
    """Bodies of the jobs that the page asks for from now on."""
    bodies: list[dict[str, object]] = []

    def note(request):  # type: ignore[no-untyped-def]
        if request.method == "POST" and request.url.endswith("/v1/views"):
            bodies.append(json.loads(request.post_data))

    page.on("request", note)
    return bodies


def decoded(url: object) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(str(url).partition(",")[2])))


# --- the cut-out -------------------------------------------------------------------------------------------


def test_a_preview_has_the_picture_and_its_alpha(server: HeldServer) -> None:  # noqa: F811
    for options in (
        {"content": png(), "headers": {"Content-Type": "image/png"}},
        {"json": {"image": DATA + base64.b64encode(png()).decode()}},
        {"files": {"image": ("figure.png", png())}},
    ):
        told = httpx.post(server.url + "/v1/cutouts/preview", timeout=60, **options).json()
        assert (told["width"], told["height"], told["note"]) == (200, 200, "")
        alpha, picture = decoded(told["alpha"]), decoded(told["picture"])
        assert alpha.size == picture.size == (200, 200)
        truth = np.asarray(make_figure())[..., 3] > 127
        found = np.asarray(alpha.convert("L")) > 127
        assert (truth & found).sum() / (truth | found).sum() > 0.9
    large = make_figure(2000, alpha=False).convert("RGB")
    buffer = io.BytesIO()
    large.save(buffer, "JPEG")
    told = httpx.post(server.url + "/v1/cutouts/preview", files={"image": buffer.getvalue()}).json()
    assert max(told["width"], told["height"]) == 1280


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content": b"not a picture", "headers": {"Content-Type": "image/png"}}, 422),
        ({"content": b"", "headers": {"Content-Type": "image/png"}}, 422),
        ({"json": {}}, 422),
        ({"json": {"image": ["a", "b"]}}, 422),
        ({"json": {"image": "no base64 at all"}}, 422),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422),
    ],
)
def test_a_preview_of_no_picture(server: HeldServer, options: dict[str, object], status: int) -> None:  # noqa: F811
    answer = httpx.post(server.url + "/v1/cutouts/preview", **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_nothing_found_is_no_error(server: HeldServer) -> None:  # noqa: F811
    """It can still be marked by hand."""
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(buffer, "PNG")
    told = httpx.post(server.url + "/v1/cutouts/preview", files={"image": buffer.getvalue()}).json()
    assert told["by"] == "none"
    assert "No object" in told["note"]


def test_the_cut_out_is_shown_and_mended(page: Page, server: HeldServer) -> None:  # noqa: F811
    """Shown on checks at once; what was painted is what is sent."""
    bodies = sent(page)
    page.set_input_files("#file", files=[upload("figure.png")])
    expect(page.locator("canvas#preview")).to_be_visible()
    expect(page.locator("#cut-note")).to_contain_text("taken for the object")
    accessible(page)
    page.click("#mend")
    canvas = page.locator("#editor canvas[role]")
    accessible(page)
    expect(canvas).to_have_attribute("data-kept", re.compile("."))
    whole = int(canvas.get_attribute("data-kept"))
    box = canvas.bounding_box()

    def stroke() -> int:
        """Paint across the figure's legs; how much of the picture is kept then."""
        start, end = ((box["x"] + box["width"] * x, box["y"] + box["height"] * 0.75) for x in (0.2, 0.8))
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=8)
        page.mouse.up()
        return int(canvas.get_attribute("data-kept"))

    page.click("#editor >> text=Drop")
    assert stroke() < whole
    page.click("#editor >> text=Undo")
    expect(canvas).to_have_attribute("data-kept", str(whole))
    expect(page.locator("#editor >> text=Undo")).to_be_disabled()
    page.click("#editor button:text-is('Keep')")
    kept = stroke()
    assert kept > whole
    page.click("text=Use this cut-out")
    expect(page.locator("img#preview")).to_be_visible()
    expect(page.locator("#cut-note")).to_contain_text("Mended by you")
    page.click("#go")
    page.wait_for_url("**/#job/*")
    mended = np.asarray(decoded(bodies[0]["image"]))
    assert (mended[..., 3] > 127).sum() == kept
    finished(page)
    job = page.url.rpartition("/")[2]
    cut = np.asarray(Image.open(io.BytesIO(httpx.get(f"{server.url}/v1/jobs/{job}").json() and cutout(server, job))))
    assert ((cut[..., 3] > 127) == (mended[..., 3] > 127)).mean() > 0.99


def cutout(server: HeldServer, job: str) -> bytes:  # noqa: F811
    files = httpx.get(f"{server.url}/v1/jobs/{job}").json()["files"]
    return httpx.get(next(file["url"] for file in files if file["name"] == "cutout.png")).content


def test_the_cut_out_is_mended_by_keyboard_and_given_up(page: Page, server: HeldServer) -> None:  # noqa: F811
    """Use as it is: the picture itself is sent, and the server cuts it."""
    bodies = sent(page)
    page.set_input_files("#file", files=[upload("figure.png")])
    expect(page.locator("#mend")).to_be_enabled()
    page.locator("#mend").press("Enter")
    canvas = page.locator("#editor canvas[role]")
    expect(canvas).to_be_focused()
    expect(canvas).to_have_attribute("data-kept", re.compile("."))
    before = int(canvas.get_attribute("data-kept"))
    page.locator("#editor >> text=Drop").press("Enter")
    canvas.press("ArrowUp")
    canvas.press(" ")
    assert int(canvas.get_attribute("data-kept")) < before
    canvas.press("Control+z")
    expect(canvas).to_have_attribute("data-kept", str(before))
    canvas.press(" ")
    page.click("text=Start over")
    expect(canvas).to_have_attribute("data-kept", str(before))
    page.click("text=Use as it is")
    expect(page.locator("canvas#preview")).to_be_visible()
    with server.held("start"):
        page.click("#go")
        page.wait_for_url("**/#job/*")
    assert decoded(bodies[0]["image"]).mode == "RGBA"
    assert base64.b64decode(str(bodies[0]["image"]).partition(",")[2]) == png()


# --- several pictures ----------------------------------------------------------------------------------------


def test_several_pictures_of_one_object(page: Page, server: HeldServer) -> None:  # noqa: F811
    bodies = sent(page)
    colours = [png(64 + 8 * i) for i in range(3)]
    page.set_input_files("#file", files=[upload(f"side{i}.png", data) for i, data in enumerate(colours)])
    page.click("text=One object, from several sides")
    slots = page.locator(".slot")
    expect(slots.nth(2)).to_have_attribute("aria-label", "Back: side2.png")
    expect(slots.nth(3)).to_have_attribute("aria-label", "Left: add a picture")
    accessible(page)
    slots.nth(2).drag_to(slots.nth(3))
    expect(slots.nth(3)).to_have_attribute("aria-label", "Left: side2.png")
    slots.nth(1).focus()
    page.keyboard.press("ArrowRight")
    expect(slots.nth(2)).to_have_attribute("aria-label", "Back: side1.png")
    expect(slots.nth(2)).to_be_focused()
    with page.expect_file_chooser() as waiting:
        slots.nth(4).click()
    waiting.value.set_files([upload("more.png", png(96))])
    expect(slots.nth(4)).to_have_attribute("aria-label", "More: more.png")
    expect(page.locator("#go")).to_be_enabled()
    with server.held("start"):
        page.click("#go")
        page.wait_for_url("**/#job/*")
    images = bodies[0]["images"]
    assert [entry.get("azimuth") for entry in images] == [0, 180, 270, None]
    assert [base64.b64decode(entry["image"].partition(",")[2]) for entry in images[:3]] == [
        colours[0],
        colours[1],
        colours[2],
    ]


# --- options -------------------------------------------------------------------------------------------------


def test_options_of_the_engine_in_a_sentence_each(page: Page, server: HeldServer) -> None:  # noqa: F811
    bodies = sent(page)
    page.click("#options summary")
    for label in page.locator("#options .fields > label:visible").all():
        assert label.locator("small").count() or "Engine" in label.text_content()
    page.select_option("[name=engine]", "lift")
    expect(page.locator("[name=num_inference_steps]")).to_have_attribute("max", "2")
    expect(page.locator("[name=seed]")).to_be_hidden()
    page.select_option("[name=engine]", "auto")
    expect(page.locator("[name=num_inference_steps]")).to_be_hidden()
    page.select_option("[name=rig]", "custom")
    page.fill("[data-camera=azimuth]", "40")
    page.click("text=Add a camera")
    expect(page.locator("[data-camera=azimuth]").nth(1)).to_be_focused()
    page.fill("[data-camera=azimuth] >> nth=1", "200")
    page.fill("[data-camera=elevation] >> nth=1", "-5")
    page.fill("[data-camera=fov] >> nth=1", "45")
    page.click("text=Add a camera")
    page.click("[aria-label='Remove camera 3']")
    page.select_option("[name=size]", "256")
    page.select_option("[name=background]", "grey")
    page.fill("[name=elevation]", "12")
    accessible(page)
    page.set_input_files("#file", files=[upload("figure.png")])
    page.click("#go")
    finished(page)
    assert {name: value for name, value in bodies[0].items() if name not in ("image", "formats")} == {
        "cameras": [{"azimuth": 40, "elevation": 15}, {"azimuth": 200, "elevation": -5, "fov": 45}],
        "size": 256,
        "background": "grey",
        "elevation": 12,
    }
    assert page.locator(".cell .angle").all_text_contents() == ["40° / 15°", "200° / -5°"]
    accessible(page)

    page.reload()
    finished(page)
    page.click("#job-actions >> text=Run again")
    expect(page.locator("#cut-note")).to_contain_text("taken for the object")
    expect(page.locator("#go")).to_be_focused()
    assert page.input_value("[name=rig]") == "custom"
    with server.held("start"):
        page.keyboard.press("Enter")
        expect(page.locator("#stage")).to_contain_text("Cutting")
    again = {name: value for name, value in bodies[1].items() if name != "image"}
    assert again.pop("cameras")[1]["fov"] == 45
    assert again.pop("engine") == "held"  # what "best here" meant then
    assert {name: bodies[0][name] for name in again} == again
    assert bodies[1]["image"] == bodies[0]["image"]


# --- many ----------------------------------------------------------------------------------------------------


def test_twenty_pictures_at_once(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    """A row each, one that fails beside those that do not, and one zip; its address shows them again."""
    with opened(browser, server.url) as page:  # noqa: F811
        page.route("**/v1/views", light)
        files = [upload(f"thing{i:02d}.png", png(48 + i)) for i in range(19)] + [upload("notes.png", b"no picture")]
        page.set_input_files("#file", files=files)
        expect(page.locator("#ask")).to_contain_text("20 pictures")
        page.click("text=20 objects: a job for each")
        rows = page.locator(".batch-row")
        expect(rows).to_have_count(20)
        expect(rows.nth(19)).to_contain_text("not a picture")
        accessible(page)
        expect(page.locator("#batch > p")).to_have_text("All have ended.", timeout=5 * PATIENCE)  # of nineteen jobs
        expect(page.locator(".batch-row img")).to_have_count(19)
        with page.expect_download() as waiting:
            page.click("#batch-zip")
        names = zipfile.ZipFile(waiting.value.path()).namelist()
        assert len({name.split("/")[0] for name in names}) == 19
        assert sum(name.endswith("/grid.png") for name in names) == 19
        page.reload()
        expect(rows).to_have_count(19)
        expect(rows.first).to_contain_text("thing00.png")
        expect(page.locator("#batch > p")).to_have_text("All have ended.")
        page.click(".batch-row a >> nth=3")
        finished(page)
        page.go_back()
        expect(page.locator("#batch")).to_be_visible()


def light(route):  # type: ignore[no-untyped-def]
    """The request with nothing but its grid, so that twenty take seconds."""
    body = json.loads(route.request.post_data)
    route.continue_(post_data=json.dumps(body | {"formats": [], "rig": "sides-4", "size": 64}))
