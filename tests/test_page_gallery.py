"""What was made before: thumbnails, dates, deleting with a way back, sweeping, older ones."""

from __future__ import annotations

import base64
import io
import re
import time

import httpx
import pytest
from browsing import (
    Browser,
    HeldServer,
    accessible,
    browser,  # noqa: F401
    expect,
    needs_browser,
    opened,
    png,
    server,  # noqa: F401
)
from PIL import Image

pytestmark = needs_browser


PICTURE = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


def make(server: HeldServer, wait: bool = True, **options: object) -> dict[str, object]:  # noqa: F811
    headers = {"Prefer": "wait"} if wait else {}
    made: dict[str, object] = httpx.post(
        server.url + "/v1/views", json={"image": PICTURE} | options, headers=headers
    ).json()
    return made


@pytest.fixture
def three(server: HeldServer) -> list[int]:  # noqa: F811
    """Two that are done and one that failed, and no others."""
    for job in server.jobs():
        httpx.delete(f"{server.url}/v1/jobs/{job['id']}")
    done = [make(server)["id"] for _ in range(2)]
    return [*done, make(server, image="http://127.0.0.1:9/gone.png")["id"]]  # type: ignore[list-item]


def test_cards(browser: Browser, server: HeldServer, three: list[int]) -> None:  # noqa: F811
    with opened(browser, server.url) as page:
        expect(page.locator("#gallery li")).to_have_count(3)
        expect(page.locator(f"#card-{three[2]}")).to_contain_text("leads to an address")
        assert re.search(r"Today \d", page.locator(f"#card-{three[0]}").text_content())
        picture = page.locator(f"#card-{three[0]} img").get_attribute("src")
        thumbnail = httpx.get(server.url + picture)
        assert thumbnail.headers["content-type"] == "image/webp"
        assert len(thumbnail.content) < 10_000
        assert max(Image.open(io.BytesIO(thumbnail.content)).size) == 256
        accessible(page)
        page.click(f"#card-{three[1]} .open")
        expect(page.locator("#job-title")).to_contain_text(f"Job {three[1]}: done")


def test_deleting_can_be_undone(browser: Browser, server: HeldServer, three: list[int]) -> None:  # noqa: F811
    """Nothing is gone before the ten seconds are over; focus goes to the next card, and back."""
    with opened(browser, f"{server.url}/#job/{three[1]}") as page:
        expect(page.locator("#job-title")).to_contain_text("done")
        page.clock.install()
        page.clock.pause_at(time.time() + 60)  # a slow machine's own seconds do not count
        page.locator(f"[aria-label='Delete job {three[1]}']").press("Enter")
        expect(page.locator("#gallery li")).to_have_count(2)
        expect(page.locator(f"#card-{three[0]} .open")).to_be_focused()
        expect(page.locator("#job")).to_be_hidden()
        page.clock.run_for(8000)
        assert len(server.jobs()) == 3
        page.locator("#toast >> text=Undo").press("Enter")
        expect(page.locator(f"#card-{three[1]} .open")).to_be_focused()
        expect(page.locator("#job-title")).to_contain_text(f"Job {three[1]}")
        page.clock.run_for(20_000)
        assert len(server.jobs()) == 3
        page.click(f"[aria-label='Delete job {three[0]}']")
        with page.expect_response(lambda answer: answer.request.method == "DELETE"):
            page.clock.run_for(11_000)
        assert [job["id"] for job in server.jobs()] == [three[2], three[1]]


def test_what_is_deleted_is_gone_when_the_page_goes(browser: Browser, server: HeldServer, three: list[int]) -> None:  # noqa: F811
    with opened(browser, server.url) as page:
        page.click(f"[aria-label='Delete job {three[0]}']")
        expect(page.locator("#toast")).to_be_visible()
        accessible(page)
        page.goto(server.url + "/help")
        while three[0] in [job["id"] for job in server.jobs()]:  # the test's own time limit ends it
            page.wait_for_timeout(100)


def test_sweeping(browser: Browser, server: HeldServer, three: list[int]) -> None:  # noqa: F811
    with opened(browser, server.url) as page:
        page.click("#sweep")
        expect(page.locator("#gallery li")).to_have_count(2)
        expect(page.locator("#sweep")).to_be_hidden()
        with page.expect_response(lambda answer: answer.request.method == "DELETE"):
            page.click(f"[aria-label='Delete job {three[0]}']")  # the next one takes the first one's toast
        assert three[2] not in [job["id"] for job in server.jobs()]
        expect(page.locator(f"#card-{three[1]} .open")).to_be_focused()


def test_older_ones(browser: Browser, server: HeldServer, three: list[int]) -> None:  # noqa: F811
    with server.held("start"):
        for _ in range(12):
            make(server, wait=False)
        with opened(browser, server.url) as page:
            expect(page.locator("#gallery li")).to_have_count(12)
            page.click("#more")
            expect(page.locator("#gallery li")).to_have_count(15)
            expect(page.locator("#more")).to_be_hidden()
            expect(page.locator(f"#card-{three[2]} .open")).to_be_focused()
            page.click("[aria-label^='Stop job']:visible >> nth=0")
            expect(page.locator("#gallery")).to_contain_text("cancelled")
            expect(page.locator("#gallery li")).to_have_count(15)
        for job in server.jobs():
            httpx.post(f"{server.url}/v1/jobs/{job['id']}/stop")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/cutouts", {}),
        ("/v1/upscales", {"scale": 2}),
        ("/api/v3/img_to_3d", {"engine": "inflate", "frame_size": 128, "seconds": 1}),
        ("/api/v6/3d/image_to_3d", {"engine": "inflate"}),
    ],
)
def test_jobs_of_other_operations(browser: Browser, server: HeldServer, path: str, body: dict[str, object]) -> None:  # noqa: F811
    """They stand in the gallery with their picture, where they have one, and open like any other."""
    job = httpx.post(server.url + path, json={"image": PICTURE} | body).json()["id"]
    with opened(browser, f"{server.url}/#job/{job}") as page:
        expect(page.locator("#job-title")).to_contain_text(f"Job {job}: done")
        expect(page.locator("[data-part=source] img").first).to_be_visible()
        expect(page.locator("#tab-As-code")).to_have_count(0)
        assert not page.locator("text=could not be shown").count()
        if "image_to_3d" in path:
            expect(page.locator("[data-part=solid]")).to_be_visible()
        else:
            shown = page.locator("[data-part=views] img")
            expect(shown).to_be_visible()
            assert shown.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 1
            thumbnail = page.locator(f"#card-{job} img")
            expect(thumbnail).to_be_visible()
            assert thumbnail.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 1
        accessible(page)
