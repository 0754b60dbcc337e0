"""The page as a whole: from start to download by keyboard, keys, themes, weight, policy."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from browsing import (
    PATIENCE,
    Browser,
    HeldServer,
    accessible,
    browser,  # noqa: F401
    expect,
    finished,
    make_sample,
    needs_browser,
    opened,
    server,  # noqa: F401
)
from server_process import running

pytestmark = needs_browser
WEB = Path(__file__).parent.parent / "src" / "orbitview" / "server" / "web"


def test_from_start_to_download_by_keyboard(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    """Tab and Enter alone: choose a sample, make views, look at one, open 3D, download."""
    with opened(browser, server.url) as page:

        def reach(selector: str) -> None:
            for _ in range(80):
                page.keyboard.press("Tab")
                if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                    return
            raise AssertionError(f"{selector} is not reached by Tab")

        accessible(page)
        reach("[data-sample=robot]")
        page.keyboard.press("Enter")
        expect(page.locator("#go")).to_be_enabled()
        reach("#go")
        page.keyboard.press("Enter")
        page.wait_for_url("**/#job/*")
        finished(page)
        reach("#download")
        page.keyboard.press("Escape")
        reach(".cell")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("#large")).to_contain_text("View 2 of 6")
        page.keyboard.press("Escape")
        reach(".poster")
        page.keyboard.press("Enter")
        expect(page.locator(".viewer canvas")).to_have_attribute("data-drawn", re.compile("."))
        for _ in range(100):
            if page.evaluate("document.activeElement.matches('.viewer canvas')"):
                break
            page.wait_for_timeout(100)
        else:
            raise AssertionError(page.evaluate("document.activeElement.outerHTML"))
        page.keyboard.press("Home")
        page.locator("#skip, .skip").first.focus()
        page.keyboard.press("Enter")
        reach("#download")
        page.keyboard.press("Enter")
        expect(page.locator("#download-menu a").first).to_be_visible()  # it has focus from then on
        reach("#download-menu a[download='object.glb']")
        with page.expect_download() as waiting:
            page.keyboard.press("Enter")
        assert waiting.value.path().read_bytes()[:4] == b"glTF"


def test_two_clicks_from_a_sample_to_a_grid(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    """While it works there is a skeleton with the time that has passed; every state is accessible, light and dark."""
    for theme in ("light", "dark"):
        with opened(browser, server.url, color_scheme=theme) as page, server.held("start") as release:
            make_sample(page, "toadstool")
            expect(page.locator("#skeleton")).to_be_visible()
            expect(page.locator("#elapsed")).to_have_text(re.compile(r"\d+ s"))
            accessible(page)
            release()
            expect(page.locator(".cell")).to_have_count(6)
            expect(page.locator("#skeleton")).to_be_hidden()
            finished(page)
            accessible(page)


def test_the_theme_is_switched_and_kept(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    with opened(browser, server.url, color_scheme="light") as page:

        def ground() -> str:
            colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
            return colour

        light = ground()
        page.select_option("#theme", "dark")
        dark = ground()
        assert dark != light
        accessible(page)
        page.click("text=Guide")
        expect(page.locator("#hidden")).to_be_visible()
        assert ground() == dark
        assert page.input_value("#theme") == "dark"
        accessible(page)
        page.select_option("#theme", "")
        assert ground() == light
        for link in page.locator("nav a, article a").all():
            assert httpx.get(server.url + link.get_attribute("href")).status_code == 200


def test_how_good_hidden_sides_are_is_said(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    with opened(browser, server.url) as page:
        expect(page.locator("#form")).to_contain_text("what it hides is a guess")
        page.click("text=How good is it?")
        expect(page.locator("article")).to_contain_text("the mean of 68 objects")


def test_a_server_with_keys_asks_for_one(browser: Browser, tmp_path: Path) -> None:  # noqa: F811
    with running(tmp_path) as server:  # noqa: F811
        key = server.cli("keys", "create", "me")
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#key-dialog")).to_be_visible()
        accessible(page)
        page.fill("#key", re.search(r"ov_[\w-]+", key)[0])
        page.click("text=Save")
        make_sample(page, "rocket")
        expect(page.locator(".cell")).to_have_count(6)
        finished(page)
        context.close()


def test_weight_and_policy(browser: Browser, server: HeldServer) -> None:  # noqa: F811
    """All that a first visit loads is at most 150 kB, and nothing in it is inline or from elsewhere."""
    answer = httpx.get(server.url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    loaded: dict[str, int] = {}
    with opened(browser, server.url) as page:
        page.on("response", lambda got: loaded.update({got.url: len(got.body())}))
        page.reload(wait_until="networkidle")
    weight = sum(size for url, size in loaded.items() if "/v1/" not in url and "/thumbnails/" not in url)
    assert any(url.endswith("example.webp") for url in loaded)
    assert 50_000 < weight <= 150_000, loaded
    for path in WEB.glob("*.html"):
        text = path.read_text()
        sources = re.findall(r'(?:src|href|srcset)="([^"]+)"', text)
        assert all(source.startswith(("/", "#")) for source in sources)
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", text)
    assert httpx.get(server.url + "/web/../app.py").status_code == 404
    assert httpx.get(server.url + "/web/%2e%2e/app.py").status_code == 404
    for missing in ("/models/", "/thumbnails/"):
        assert httpx.get(server.url + missing + "0" * 36).status_code == 404
        assert httpx.get(server.url + missing + "..%2f..").status_code == 404
