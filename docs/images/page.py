"""Pictures of the page in every state, at three widths, light and dark: ``python docs/images/page.py [STATE …]``.

Needs Chromium and the test extra. Each picture holds one state at 1440, 1280 and 390 pixels, made smaller.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from server_process import Server, running, wait_until_ended  # noqa: E402

WIDTHS = ((1440, 900), (1280, 800), (390, 844))
SCALE = 0.4
MOST = 1500
"""Of a picture's height, in pixels of the page: what lies below is cut off."""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EXAMPLE = ROOT / "src/orbitview/server/web/samples"
expect.set_options(timeout=90_000)
SETTLED = """() => Promise.all([...document.images].filter((image) => image.src).map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => null);
}))"""
"""Resolves when every picture is there."""
State = Callable[[Page, Server], None]


def first(page: Page, server: Server) -> None:
    page.click("#options summary")
    page.select_option("[name=rig]", "custom")


def cut(page: Page, server: Server) -> None:
    page.click("[data-sample=jug]")
    expect(page.locator("canvas#preview")).to_be_visible()


def mend(page: Page, server: Server) -> None:
    cut(page, server)
    page.click("#mend")
    box = page.locator("#editor canvas[role]").bounding_box()
    assert box
    page.click("#editor >> text=Drop")
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=5)
    page.mouse.up()


def sides(page: Page, server: Server) -> None:
    page.set_input_files("#file", [EXAMPLE / "jug.webp", EXAMPLE / "robot.webp", EXAMPLE / "rocket.webp"])
    page.click("#ask >> text=One object, from several sides")
    expect(page.locator("#cut-note")).to_contain_text("taken for the object")


def working(page: Page, server: Server) -> None:
    worker = server.worker_pid()
    assert worker
    os.kill(worker, signal.SIGSTOP)
    page.click("[data-sample=robot]")
    page.click("#go")
    page.wait_for_url("**/#job/*")
    expect(page.locator("#stage")).to_contain_text("Waiting")


def done(page: Page, server: Server) -> None:
    page.goto(server.url + "/#job/1")
    expect(page.locator("[data-part=turn] canvas[data-ready]")).to_be_visible()
    page.locator("[data-part=turn] canvas").focus()
    page.keyboard.press("Home")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def solid(page: Page, server: Server) -> None:
    done(page, server)
    page.click(".poster")
    page.locator(".viewer canvas[data-drawn]").focus()
    page.keyboard.press("Home")
    page.click("text=Untextured")
    page.locator("[data-part=solid]").scroll_into_view_if_needed()


def one(page: Page, server: Server) -> None:
    done(page, server)
    page.locator(".cell").nth(1).click()


def menu(page: Page, server: Server) -> None:
    done(page, server)
    page.click("#download")
    expect(page.locator("#download-menu .groups")).to_be_visible()


def code(page: Page, server: Server) -> None:
    done(page, server)
    page.click("#tab-As-code")
    page.select_option("#panel select", "Python")
    page.locator("#panel").scroll_into_view_if_needed()


def batch(page: Page, server: Server) -> None:
    page.goto(server.url + "/#batch/1,2,3,4")
    expect(page.locator("#batch")).to_contain_text("All have ended")
    expect(page.locator(".batch-row img")).to_have_count(3)


def error(page: Page, server: Server) -> None:
    page.set_input_files("#file", [{"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}])
    expect(page.locator("#problem")).to_be_visible()


def lost(page: Page, server: Server) -> None:
    page.route("**/v1/**", lambda route: route.abort())
    page.click("[data-sample=rocket]")
    expect(page.locator("#lost")).to_be_visible()


def guide(page: Page, server: Server) -> None:
    page.goto(server.url + "/help")


STATES: dict[str, State] = {
    "first": first,
    "cutout": cut,
    "mend": mend,
    "sides": sides,
    "working": working,
    "result": done,
    "3d": solid,
    "view": one,
    "download": menu,
    "code": code,
    "batch": batch,
    "error": error,
    "lost": lost,
    "guide": guide,
}


def shoot(page: Page, whole: bool) -> Image.Image:
    """The page, as high as it is where ``whole``, made smaller."""
    with Image.open(io.BytesIO(page.screenshot(full_page=whole))) as shot:
        kept = shot.convert("RGB").crop((0, 0, shot.width, min(shot.height, MOST)))
    return kept.resize((round(kept.width * SCALE), round(kept.height * SCALE)), Image.Resampling.LANCZOS)


def main(names: list[str], folder: Path) -> None:
    """Draw the states named, or all."""
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, sync_playwright() as driver:
        import httpx

        for name in ("toadstool", "robot", "jug"):
            asked = {"formats": ["views", "cutout", "turntable-sheet", "glb"], "seed": 1}
            picture = {"image": (f"{name}.webp", (EXAMPLE / f"{name}.webp").read_bytes())}
            place = httpx.post(server.url + "/v1/images", files=picture, timeout=60).json()["url"]
            made = httpx.post(server.url + "/v1/views", json=asked | {"image": place}, timeout=60).json()
            wait_until_ended(server.url, made["id"], 300)
        failed = httpx.post(server.url + "/v1/views", json={"image": "http://127.0.0.1:9/gone.png"}).json()
        wait_until_ended(server.url, failed["id"], 60)
        drawn = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=drawn)
        for name in names or list(STATES):
            for theme in ("light", "dark"):
                shots = []
                for width, height in WIDTHS:
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
                    )
                    page = context.new_page()
                    page.goto(server.url)
                    expect(page.locator("select[name=engine] option")).not_to_have_count(0)
                    STATES[name](page, server)
                    page.evaluate(SETTLED)
                    shots.append(shoot(page, name not in ("mend", "view")))
                    context.close()
                    _tidy(server)
                sheet = Image.new("RGB", (sum(s.width + 12 for s in shots) - 12, max(s.height for s in shots)), "#888")
                left = 0
                for shot in shots:
                    sheet.paste(shot, (left, 0))
                    left += shot.width + 12
                sheet.save(folder / f"page-{name}-{theme}.webp", quality=62, method=6)
                print(name, theme)
        browser.close()


def _tidy(server: Server) -> None:
    """The jobs that a state made are gone again."""
    import httpx

    worker = server.worker_pid()
    if worker:
        os.kill(worker, signal.SIGCONT)
    for job in httpx.get(server.url + "/v1/jobs").json()["jobs"]:
        if job["id"] > 4:
            for _ in range(2):
                httpx.delete(f"{server.url}/v1/jobs/{job['id']}")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name in STATES], Path(__file__).parent)
