"""A job on the page: its address, what is kept when it is stopped, lost connections, two at a time."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from browsing import (
    Browser,
    HeldServer,
    Page,
    Route,
    accessible,
    browser,  # noqa: F401
    choose,
    expect,
    finished,
    make_sample,
    needs_browser,
    opened,
    page,  # noqa: F401
    running_held,
    server,  # noqa: F401
    upload,
)

pytestmark = needs_browser


def test_a_job_has_an_address(page: Page, server: HeldServer, browser: Browser) -> None:  # noqa: F811
    """Refresh, back and a shared link lead to the running job; a second tab's gallery has it, live."""
    with server.held("start") as release:
        job = make_sample(page, "robot")
        expect(page.locator("#working")).to_be_visible()
        page.reload()
        expect(page.locator("#job-title")).to_have_text(f"Job {job}")
        expect(page.locator("#stage")).to_contain_text("Cutting the object out")
        with opened(browser, server.url) as second:
            card = second.locator(f"#card-{job}")
            expect(card).to_contain_text("Cutting the object out")
            accessible(second)
            second.click(f"#card-{job} .open")
            expect(second.locator("#working")).to_be_visible()
            second.go_back()
            expect(second.locator("#empty")).to_be_visible()
            release()
            expect(card.locator("img")).to_be_visible()
            expect(card.locator("progress")).to_have_count(0)
            second.go_forward()
            finished(second)
        finished(page)
        expect(page.locator(".cell")).to_have_count(6)
    page.reload()
    expect(page.locator(".cell")).to_have_count(6)
    page.goto(server.url + "/#job/999999")
    expect(page.locator("#problem")).to_contain_text("Job 999999 is not here")


def test_what_is_done_is_kept_when_a_job_is_stopped(page: Page, server: HeldServer) -> None:  # noqa: F811
    """The button says what it does; further files can still be made of what was kept."""
    with server.held("rest"):
        job = make_sample(page, "jug")
        expect(page.locator(".cell")).to_have_count(6)
        expect(page.locator("#cancel")).to_have_text("Stop here, keep the views")
        page.click("#cancel")
        finished(page)
        expect(page.locator(".cell")).to_have_count(6)
        expect(page.locator("#panel")).to_contain_text("Stopped before everything was made")
    told = httpx.get(f"{server.url}/v1/jobs/{job}").json()
    assert told["status"] == "success"
    assert told["files"][0]["name"] == "grid.png"
    answer = httpx.post(f"{server.url}/v1/jobs/{job}/files", json={"formats": ["glb"]}, headers={"Prefer": "wait"})
    assert [file["name"] for file in answer.json()["files"]] == ["object.glb"]
    assert answer.json()["of"] == job
    assert httpx.get(f"{server.url}/v1/jobs/{job}/files").json()[0]["id"] == answer.json()["id"]


def test_a_job_that_has_nothing_yet_is_cancelled(page: Page, server: HeldServer) -> None:  # noqa: F811
    with server.held("start"):
        job = make_sample(page, "jug")
        expect(page.locator("#cancel")).to_have_text("Cancel")
        page.click("#cancel")
        expect(page.locator("#working")).to_be_hidden()
        expect(page.locator("#job-title")).to_contain_text("cancelled")
        expect(page.locator(f"#card-{job}")).to_contain_text("cancelled")


def test_cancelled_before_it_has_a_number(page: Page, server: HeldServer) -> None:  # noqa: F811
    """A click while the picture is still sent: the job is stopped as soon as it has a number."""
    waiting: list[Route] = []
    page.route("**/v1/views", lambda route: waiting.append(route))
    with server.held("start"):
        choose(page, "jug")
        page.click("#go")
        page.click("#cancel")
        while not waiting:
            page.wait_for_timeout(10)  # lets the route's handler run
        waiting[0].continue_()
        expect(page.locator("#job-title")).to_contain_text("cancelled")


def test_the_page_goes_on_when_the_server_comes_back(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    with running_held(tmp_path) as server, opened(browser, server.url, quiet=False) as page:  # noqa: F811
        with server.held("start") as release:
            make_sample(page, "rocket")
            expect(page.locator("#stage")).to_contain_text("Cutting the object out")
            server.kill()
            expect(page.locator("#lost")).to_be_visible()
            expect(page.locator("#lost")).to_contain_text("Connection lost, trying again")
            accessible(page)
            release()
            server.start()
        expect(page.locator("#lost")).to_be_hidden()
        finished(page)
        expect(page.locator("#problem")).to_be_hidden()
        assert len(server.jobs()) == 1
        server.kill()
        choose(page, "jug")  # sent while nobody listens: it is sent once, when somebody does
        page.click("#go")
        expect(page.locator("#lost")).to_be_visible()
        server.start()
        page.wait_for_url("**/#job/2")
        finished(page)
        assert len(server.jobs()) == 2


def test_another_picture_while_a_job_runs(page: Page, server: HeldServer) -> None:  # noqa: F811
    """The page asks; both may run, and both are seen."""
    with server.held("start"):
        first = make_sample(page, "robot")
        expect(page.locator("#stage")).to_contain_text("Cutting")
        choose(page, "jug")
        page.click("#go")
        expect(page.locator("#ask")).to_contain_text(f"Job {first} is still running")
        accessible(page)
        page.click("#ask >> text=Back")
        assert len(server.jobs()) == 1
        page.click("#go")
        page.click("text=Let both run")
        page.wait_for_url(f"**/#job/{first + 1}")
        expect(page.locator("#stage")).to_contain_text("1 before it")
        expect(page.locator("#gallery progress")).to_have_count(2)
        page.click("[data-sample=rocket]")
        page.click("#go")
        page.click("#ask >> text=Stop job")
        page.wait_for_url(f"**/#job/{first + 2}")
        expect(page.locator(f"#card-{first + 1}")).to_contain_text("cancelled")


def test_on_a_phone_the_result_comes_into_view(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, server.url, **phone) as page, server.held("rest") as release:  # noqa: F811
        assert page.locator("#result").bounding_box()["y"] > 400
        make_sample(page, "toadstool")
        expect(page.locator("#job-title")).to_be_in_viewport()
        expect(page.locator(".cell").first).to_be_in_viewport()
        expect(page.locator("#stage")).to_have_text("Turning it")
        release()
        finished(page)
        for name in ("Details", "Maps", "As-code"):
            page.click(f"#tab-{name}")
            if name == "As-code":
                expect(page.locator("#panel")).to_contain_text("curl")  # its part of the page has come
                for language in page.locator("#panel option").all_text_contents():
                    page.select_option("#panel select", language)
                    assert sideways(page) <= 0, f"{language} makes the page scroll sideways"
            assert sideways(page) <= 0, "the page scrolls sideways"
        accessible(page)


def sideways(page: Page) -> int:  # noqa: F811
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wide


@pytest.mark.parametrize("name", ["notes.png", "notes.txt"])
def test_a_file_that_is_no_picture(page: Page, name: str) -> None:  # noqa: F811
    page.set_input_files("#file", files=[upload(name, b"not a picture")])
    expect(page.locator("#problem")).to_contain_text("not a picture")
    expect(page.locator("#go")).to_be_disabled()
    accessible(page)
    choose(page, "jug")
    expect(page.locator("#go")).to_be_enabled()


def test_stages_have_names() -> None:
    """Every stage that the package itself tells has words on the page."""
    import re

    root = Path(__file__).parent.parent / "src" / "orbitview"
    told = {"queued", "fetch", "start", "glb", "obj", "usdz", "ply", "stl", "3mf"}
    for path in root.rglob("*.py"):
        told |= set(re.findall(r'progress\([^"\n]*f?"([a-z]+)', path.read_text()))
    words = (root / "server" / "web" / "stages.js").read_text()
    assert not [name for name in told if not re.search(rf'\b"?{name}"?:', words)]
