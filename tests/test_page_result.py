"""A result on the page: angles, single views, 3D, turntable, backgrounds, downloads, code; by pointer and by key."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browsing import (
    PYTHON,
    Browser,
    HeldServer,
    Page,
    accessible,
    browser,  # noqa: F401
    expect,
    finished,
    make_sample,
    needs_browser,
    opened,
    png,
    server,  # noqa: F401
)

pytestmark = needs_browser


@pytest.fixture(scope="module")
def job(browser: Browser, server: HeldServer) -> int:  # noqa: F811
    """A finished job, made by two clicks."""
    with opened(browser, server.url) as page:
        number = make_sample(page, "robot")
        finished(page)
    return number


@pytest.fixture(scope="module")
def plain(server: HeldServer) -> int:  # noqa: F811
    """A finished job that has its grid and nothing else, as other clients make it."""
    picture = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    made = httpx.post(server.url + "/v1/views", json={"image": picture}, headers={"Prefer": "wait"}).json()
    assert made["status"] == "success"
    return int(made["id"])


@pytest.fixture
def page(browser: Browser, server: HeldServer, job: int) -> Iterator[Page]:  # noqa: F811
    """The job's page."""
    with opened(browser, f"{server.url}/#job/{job}") as page:
        finished(page)
        yield page


def test_the_grid_has_angles_and_leads_to_single_views(page: Page) -> None:
    cells = page.locator(".cell")
    expect(cells).to_have_count(6)
    assert cells.locator(".angle").all_text_contents()[:2] == ["30° / 20°", "90° / -10°"]
    accessible(page)
    cells.first.focus()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(cells.nth(4)).to_be_focused()
    page.keyboard.press("End")
    expect(cells.nth(5)).to_be_focused()
    page.keyboard.press("Home")
    expect(cells.nth(0)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#large")).to_contain_text("View 1 of 6: azimuth 30°, elevation 20°")
    accessible(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#large")).to_contain_text("View 2 of 6: azimuth 90°, elevation -10°")
    page.keyboard.press("End")
    expect(page.locator("#large")).to_contain_text("View 6 of 6")
    page.keyboard.press("Escape")
    expect(cells.nth(5)).to_be_focused()


def test_backgrounds_are_switched_after_the_fact(page: Page) -> None:
    cell = page.locator(".cell").first
    looks = set()
    for name in ("Transparent", "Light", "Dark"):
        page.click(f"[data-part=views] >> text={name}")
        looks.add(cell.screenshot())
        accessible(page)
    assert len(looks) == 3
    page.reload()
    finished(page)
    expect(page.locator("[data-part=views] >> text=Dark")).to_have_attribute("aria-pressed", "true")


def test_3d_is_loaded_when_it_is_opened(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.click(".poster")
    canvas = page.locator(".viewer canvas")
    expect(canvas).to_have_attribute("data-look", "textured")
    assert any("three.js" in url for url in asked)
    assert any("/models/" in url for url in asked)
    expect(page.locator(".viewer >> text=Stop")).to_be_visible()  # it turns by itself
    before = canvas.get_attribute("data-azimuth")
    expect(canvas).not_to_have_attribute("data-azimuth", before)
    accessible(page)
    canvas.focus()
    page.keyboard.press("Home")
    expect(page.locator(".viewer >> text=Spin")).to_be_visible()
    expect(canvas).to_have_attribute("data-azimuth", "29")
    shots = {"textured": canvas.screenshot()}
    assert len(shots["textured"]) > 10_000, "the view is empty"
    for name, text in (("plain", "Untextured"), ("wire", "Wireframe")):
        page.click(f".viewer >> text={text}")
        expect(canvas).to_have_attribute("data-look", name)
        shots[name] = canvas.screenshot()
    assert len(set(shots.values())) == 3
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("data-azimuth", "37")
    page.click(".viewer >> text=Reset")
    expect(canvas).to_have_attribute("data-azimuth", "29")
    page.click("text=Full screen")
    expect(page.locator("text=Leave full screen")).to_be_visible()
    page.click("text=Leave full screen")
    expect(page.locator("text=Leave full screen")).to_have_count(0)
    accessible(page)


def test_the_turntable_turns_by_hand(page: Page) -> None:
    canvas = page.locator("[data-part=turn] canvas")
    expect(canvas).to_have_attribute("data-ready", "yes")
    canvas.focus()
    for key, angle in (("Home", 0), ("ArrowRight", 10), ("End", 350), ("ArrowRight", 0), ("PageUp", 90)):
        page.keyboard.press(key)
        expect(canvas).to_have_attribute("aria-valuenow", str(angle))
    page.keyboard.press("Home")
    box, before = canvas.bounding_box(), canvas.screenshot()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    assert int(canvas.get_attribute("aria-valuenow")) > 60
    assert canvas.screenshot() != before


def test_a_hand_before_the_turntable_s_pictures(browser: Browser, server: HeldServer, job: int) -> None:  # noqa: F811
    """Keys pressed before the sheet has come count, and the object does not begin to spin under the hand."""
    with opened(browser, server.url) as page:
        waiting = []
        page.route("**/turntable-sheet.webp", lambda route: waiting.append(route))
        page.goto(f"{server.url}/#job/{job}")
        canvas = page.locator("[data-part=turn] canvas")
        canvas.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        expect(canvas).to_have_attribute("aria-valuenow", "10")
        expect(canvas).not_to_have_attribute("data-ready", "yes")
        while not waiting:
            page.wait_for_timeout(10)  # lets the route's handler run
        waiting[0].continue_()
        expect(canvas).to_have_attribute("data-ready", "yes")
        expect(page.locator("[data-part=turn] >> text=Spin")).to_be_visible()
        expect(canvas).to_have_attribute("aria-valuenow", "10")


def test_reduced_motion(browser: Browser, server: HeldServer, job: int) -> None:  # noqa: F811
    """Nothing moves by itself: no animated picture, no spin in either view."""
    with opened(browser, server.url, reduced_motion="reduce") as page:
        shown = page.evaluate("document.querySelector('#empty img').currentSrc")
        assert shown.endswith("still.webp")
        page.goto(f"{server.url}/#job/{job}")
        finished(page)
        expect(page.locator("[data-part=turn] canvas")).to_have_attribute("data-ready", "yes")
        expect(page.locator("[data-part=turn] canvas")).to_have_attribute("aria-valuenow", "0")
        expect(page.locator("[data-part=turn] >> text=Spin")).to_be_visible()
        page.click(".poster")
        expect(page.locator(".viewer >> text=Spin")).to_be_visible()
        canvas = page.locator(".viewer canvas")
        expect(canvas).to_have_attribute("data-azimuth", re.compile("."))  # drawn
        before = canvas.get_attribute("data-azimuth")
        page.wait_for_timeout(700)
        assert canvas.get_attribute("data-azimuth") == before
        moving = page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length")
        assert moving == 0


def test_tabs_by_keyboard(page: Page) -> None:
    page.locator("#tab-Details").focus()
    page.keyboard.press("End")
    expect(page.locator("#tab-As-code")).to_be_focused()
    expect(page.locator("#panel code")).to_contain_text("curl")
    accessible(page)
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".maps figure")).to_have_count(4)
    accessible(page)
    page.keyboard.press("Home")
    expect(page.locator("#tab-Details")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#panel")).to_contain_text("Engine")


def test_downloads_by_purpose(page: Page, server: HeldServer, job: int) -> None:  # noqa: F811
    """What is there is a link; what is not is made of the finished job, and is a link from then on."""
    page.click("#download")
    menu = page.locator("#download-menu")
    for title in ("For a shop", "For 3D and AR", "For print", "For training"):
        expect(menu.locator("h3", has_text=title)).to_be_visible()
    expect(menu.locator("a", has_text="object.glb")).to_be_visible()
    accessible(page)
    with page.expect_download() as waiting:
        menu.locator("a", has_text="grid.png").click()
    assert waiting.value.suggested_filename == "grid.png"
    with page.expect_download() as waiting:
        menu.locator("button", has_text="object.stl").click()
    assert waiting.value.path().stat().st_size > 1000
    expect(menu.locator("a", has_text="object.stl")).to_be_focused()
    with page.expect_download() as waiting:
        menu.locator("button", has_text="All for training, as zip").click()
    names = zipfile.ZipFile(waiting.value.path()).namelist()
    assert {"transforms.json", "view-000.png"} <= set(names)
    assert any(name.startswith("colmap/") for name in names)
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(page.locator("#download")).to_be_focused()
    page.reload()
    finished(page)
    expect(page.locator("#gallery li")).to_have_count(1)  # jobs that made further files are no results of their own
    page.click("#download")
    expect(page.locator("#download-menu a", has_text="object.stl")).to_be_visible()


@pytest.mark.parametrize("language", ["curl", "Python", "Node", "JavaScript", "Java"])
def test_code_runs_as_copied(page: Page, server: HeldServer, plain: int, language: str, tmp_path: Path) -> None:  # noqa: F811
    """Against a server without keys there is no line with a key; nothing in a header is beyond ASCII."""
    page.goto(f"{server.url}/#job/{plain}")
    expect(page.locator(".grid-picture")).to_be_visible()
    page.click("#tab-As-code")
    page.select_option("#panel select", language)
    text = page.locator("#panel code").text_content()
    assert text.isascii()
    assert "Bearer" not in text
    assert "api_key" not in text
    before = len(server.jobs())
    if language == "JavaScript":
        made = page.evaluate(f"(async () => {{ {text}\nreturn job; }})()")
        assert made["status"] == "success"
    else:
        commands = {
            "curl": ("request.sh", ["sh", "request.sh"]),
            "Python": ("request.py", [PYTHON, "request.py"]),
            "Node": ("request.mjs", ["node", "request.mjs"]),
            "Java": ("Views.java", ["java", "Views.java"]),
        }
        file, command = commands[language]
        if shutil.which(command[0]) is None:
            pytest.skip(f"LOUD: no {command[0]} here")
        (tmp_path / file).write_text(text)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=dict(os.environ))
        assert done.returncode == 0, done.stderr
        if language in ("curl", "Java"):
            assert json.loads(done.stdout)["status"] == "success"
    assert len(server.jobs()) == before + 1


def test_code_with_a_key_takes_it_from_the_environment(page: Page) -> None:
    page.evaluate("localStorage.setItem('orbitview-key', 'ov_any')")
    page.reload()
    finished(page)
    page.click("#tab-As-code")
    for language in page.locator("#panel option").all_text_contents():
        page.select_option("#panel select", language)
        text = page.locator("#panel code").text_content()
        assert text.isascii()
        assert "ov_any" not in text
        assert "ORBITVIEW_API_KEY" in text or "prompt(" in text
