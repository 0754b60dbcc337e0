"""A real browser on a real server whose engine a test can hold back; imported by the tests of the page."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from conftest import make_figure
from server_process import Server

playwright = pytest.importorskip("playwright.sync_api", reason="LOUD: playwright is not installed, no page is tested")
axe_module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="LOUD: axe is not installed")
Browser, Page, Route, expect = playwright.Browser, playwright.Page, playwright.Route, playwright.expect
PATIENCE = 120_000
"""Milliseconds after which what should come is given up: long, since no test may depend on the machine's speed."""
expect.set_options(timeout=PATIENCE)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="LOUD: no Chromium here, the playground is not tested (apt-get install chromium)"
    ),
    pytest.mark.timeout(900),
]


class HeldServer(Server):
    """A server whose engine waits while it is held."""

    def __init__(self, folder: Path, *arguments: str, **settings: object) -> None:
        super().__init__(folder, *arguments, **settings)
        self.hold = folder / "hold"
        self.hold.mkdir(exist_ok=True)
        site = folder / "site"
        info = site / "orbitview_held-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).parent / "held_engine.py", site)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orbitview-held\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[orbitview.engines]\nheld = held_engine:HeldEngine\n")
        path = os.pathsep.join([str(site), *filter(None, [self.environment.get("PYTHONPATH")])])
        self.environment |= {"PYTHONPATH": path, "ORBITVIEW_TEST_HOLD": str(self.hold)}

    @contextmanager
    def held(self, name: str) -> Iterator[Callable[[], None]]:
        """Jobs wait at ``start`` or ``rest`` within; what it gives lets them go earlier."""
        (self.hold / name).touch()

        def release() -> None:
            (self.hold / name).unlink(missing_ok=True)

        try:
            yield release
        finally:
            release()

    def jobs(self) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = httpx.get(self.url + "/v1/jobs").json()["jobs"]
        return listed


@contextmanager
def running_held(folder: Path, *arguments: str, **settings: object) -> Iterator[HeldServer]:
    server = HeldServer(folder, *arguments, **settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldServer]:
    with running_held(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        software = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *software])
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, address: str, quiet: bool = True, **options: object) -> Iterator[Page]:
    """An open page; fails on any console error, uncaught exception or request to another host."""
    options = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True} | options
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    ours = ("/".join(address.split("/")[:3]), "data:", "blob:")
    page.on("request", lambda sent: None if sent.url.startswith(ours) else wrong.append(sent.url))
    page.goto(address)
    expect(page.locator("select[name=engine] option")).not_to_have_count(0)
    try:
        yield page
        # A refused request is the browser's own line; that it is shown is the test's business.
        known = ("422", "404", "401") if quiet else ("422", "404", "401", "ERR_", "Failed to load resource")
        left = [line for line in wrong if not any(word in line for word in known)]
        assert not left, left
    finally:
        context.close()


@pytest.fixture
def page(browser: Browser, server: HeldServer) -> Iterator[Page]:
    """The page, and no job left behind."""
    with opened(browser, server.url) as page:
        yield page
    for job in server.jobs():
        for _ in range(2):  # an open one is cancelled first
            with suppress(httpx.HTTPError):
                httpx.delete(f"{server.url}/v1/jobs/{job['id']}")


def accessible(page: Page) -> None:
    """No serious or critical violation of WCAG 2 A and AA, by axe-core."""
    rules = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
    found = axe_module.Axe().run(page, options=rules).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in serious]


def choose(page: Page, name: str) -> None:
    """A sample of ours, as far as its cut-out."""
    page.click(f"[data-sample={name}]")
    expect(page.locator("#go")).to_be_enabled()


def make_sample(page: Page, name: str) -> int:
    """Two clicks; the number of the job that they started."""
    page.click(f"[data-sample={name}]")
    page.click("#go")
    page.wait_for_url("**/#job/*")
    return int(page.url.rpartition("/")[2])


def finished(page: Page) -> None:
    expect(page.locator("#job-title")).to_contain_text("done")


def png(size: int = 200, alpha: bool = False) -> bytes:
    """A figure, as the bytes of a picture."""
    buffer = io.BytesIO()
    make_figure(size, alpha).save(buffer, "PNG")
    return buffer.getvalue()


def upload(name: str, data: bytes | None = None, kind: str = "image/png") -> dict[str, object]:
    return {"name": name, "mimeType": kind, "buffer": png() if data is None else data}


PYTHON = sys.executable
