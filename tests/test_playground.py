"""The page in a real browser, against a real server with the embedded engine.

With ORBITVIEW_SCREENSHOTS=FOLDER the pictures for the documentation are written there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server_process import Server, running

from orbitview.formats import FORMATS

playwright = pytest.importorskip("playwright.sync_api", reason="LOUD: playwright is not installed, no page is tested")
axe_module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="LOUD: axe is not installed")
Browser, Page, expect = playwright.Browser, playwright.Page, playwright.expect

WEB = Path(__file__).parent.parent / "src" / "orbitview" / "server" / "web"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="LOUD: no Chromium here, the playground is not tested (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        software = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *software])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The open page; the test fails on any console error or uncaught exception."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(30_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url)
    expect(page.locator("select[name=engine] option")).not_to_have_count(0)
    yield page
    # A refused request is the browser's own line; that it is shown is the test's business.
    assert [line for line in wrong if "422" not in line] == []
    context.close()


def picture(page: Page, name: str, **options: object) -> None:
    folder = os.environ.get("ORBITVIEW_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"page-{name}.png", **options)


def accessible(page: Page) -> None:
    """No serious or critical violation of WCAG 2 A and AA, by axe-core."""
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    found = axe_module.Axe().run(page, options=rules).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious]


def make_sample(page: Page, name: str) -> None:
    page.click(f"[data-sample={name}]")
    page.click("#go")


def test_from_a_sample_to_everything(page: Page, server: Server) -> None:
    """Two clicks to the grid; then every tab, a download, and delete."""
    accessible(page)
    picture(page, "first")
    make_sample(page, "robot")
    expect(page.locator("#working")).to_be_visible()
    expect(page.locator(".grid-picture")).to_be_visible(timeout=60_000)
    expect(page.locator("#working")).to_be_hidden(timeout=60_000)
    assert page.evaluate("document.querySelector('.grid-picture').naturalWidth") == 640
    picture(page, "grid")
    accessible(page)

    page.click("#tab-Views")
    expect(page.locator(".tiles li")).to_have_count(6)
    accessible(page)
    page.locator(".tiles button").first.click()
    expect(page.locator("#large img")).to_be_visible()
    page.keyboard.press("Escape")

    page.click("#tab-Turn")
    canvas = page.locator("canvas")
    canvas.focus()
    page.keyboard.press("Home")
    expect(canvas).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowRight")
    expect(canvas).to_have_attribute("aria-valuenow", "10")
    box = canvas.bounding_box()
    before = canvas.screenshot()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    assert int(canvas.get_attribute("aria-valuenow")) > 60
    assert canvas.screenshot() != before
    page.mouse.move(0, 0)
    accessible(page)
    picture(page, "turn")

    page.click("#tab-3D")
    frame = page.frame_locator("iframe")
    expect(frame.locator("canvas")).to_be_visible()
    page.wait_for_timeout(1500)
    shot = page.locator("iframe").screenshot()
    assert len(shot) > 20_000, "the frame is empty"
    picture(page, "3d")

    page.click("#tab-Maps")
    expect(page.locator(".maps figure")).to_have_count(4)
    accessible(page)
    picture(page, "maps")

    page.click("#tab-Files")
    with page.expect_download() as waiting:
        page.click("text=transforms.json")
    assert '"frames"' in waiting.value.path().read_text()

    page.click("#tab-As-code")
    for language in ("curl", "Python", "JavaScript", "PHP", "Node", "Java"):
        page.select_option("#panel select", language)
        expect(page.locator("#panel code")).to_contain_text(server.url)
    accessible(page)

    expect(page.locator("#gallery li")).to_have_count(1)
    page.click("#gallery li >> text=Delete")
    expect(page.locator("#past")).to_be_hidden()
    assert httpx.get(server.url + "/v1/jobs").json()["jobs"] == []


def test_a_file_that_is_no_picture(page: Page) -> None:
    page.set_input_files("#file", files=[{"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"}])
    expect(page.locator("#drop-text")).to_contain_text("notes.png")
    page.click("#go")
    expect(page.locator("#problem")).to_contain_text("not a picture")
    expect(page.locator("#go")).to_be_enabled()
    accessible(page)
    picture(page, "error")


def test_cancel(page: Page) -> None:
    page.click("summary")
    expect(page.locator("[name=formats]")).to_have_count(len(FORMATS) - 5)  # those that are always made
    page.check("[value=turntable-mp4]")
    page.check("[value=turntable-gif]")
    page.select_option("[name=rig]", "syncdreamer-16")
    make_sample(page, "jug")
    page.click("#cancel")
    expect(page.locator("#working")).to_be_hidden()
    expect(page.locator("#gallery")).to_contain_text("cancelled")


def test_phone_and_dark(browser: Browser, server: Server) -> None:
    for name, options in (
        ("phone", {"viewport": {"width": 390, "height": 844}, "has_touch": True}),
        ("dark", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}),
    ):
        context = browser.new_context(**options)
        page = context.new_page()
        page.goto(server.url)
        make_sample(page, "toadstool")
        expect(page.locator("#tab-Turn")).to_be_visible(timeout=60_000)
        expect(page.locator("#working")).to_be_hidden(timeout=60_000)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "the page scrolls sideways"
        accessible(page)
        picture(page, name, full_page=name == "phone")
        context.close()


def test_a_server_with_keys_asks_for_one(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        key = server.cli("keys", "create", "me")
        page = browser.new_page()
        page.goto(server.url)
        expect(page.locator("#key-dialog")).to_be_visible()
        accessible(page)
        page.fill("#key", re.search(r"ov_[\w-]+", key)[0])
        page.click("text=Save")
        make_sample(page, "rocket")
        expect(page.locator(".grid-picture")).to_be_visible(timeout=60_000)
        page.close()


def test_weight_and_policy(server: Server) -> None:
    """All that a first visit loads is at most 150 kB, and nothing in it is inline or from elsewhere."""
    answer = httpx.get(server.url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded = [*WEB.glob("*.*"), *(WEB / "samples").iterdir()]
    assert sum(path.stat().st_size for path in loaded) <= 150_000
    sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert all(source.startswith(("/", "#")) for source in sources)
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", answer.text)
    assert httpx.get(server.url + "/web/../app.py").status_code == 404
    assert httpx.get(server.url + "/web/%2e%2e/app.py").status_code == 404
    assert httpx.get(server.url + "/viewer/" + "0" * 36).status_code == 404
