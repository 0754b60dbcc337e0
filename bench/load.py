"""The server under load: ``python -m bench.load`` (needs ``pip install -e '.[bench]'``).

Intake of jobs beside two peers (FastAPI that forgets what it is told, and FastAPI that writes it down), a look at a job
beside 200 listeners to another one's events, the overhead of the server over the bare engine for one job, and memory
over a thousand jobs. The engine is a stub, except where
its own time is the measure; nothing else is.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil
from PIL import Image

import orbitview

SAMPLE = Path(__file__).parent.parent / "examples" / "rocket.jpg"
STUB = """
from PIL import Image
from orbitview.engines import EngineInfo, Readiness
from orbitview.views import View, ViewSet

class Stub:
    info = EngineInfo("stub", "Does nothing.", "none", frozenset({"cameras", "seed"}))
    def readiness(self):
        return Readiness(True)
    def generate(self, requests, progress=lambda share, stage: None):
        return [ViewSet([View(Image.new("RGBA", (r.size, r.size), "red"), c) for c in r.cameras]) for r in requests]
"""
PEERS = {
    "plain FastAPI": """
import itertools, uvicorn
from fastapi import FastAPI, Request
app, numbers, jobs = FastAPI(), itertools.count(1), {}
@app.post("/api/v5/multiview")
async def multiview(request: Request):
    number = next(numbers); jobs[number] = await request.json()
    return {"status": "processing", "id": number}
uvicorn.run(app, port=PORT, log_level="error")
""",
    "FastAPI, a SQLite row a job": """
import json, sqlite3, threading, uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
app, lock = FastAPI(), threading.Lock()
db = sqlite3.connect("jobs.db", check_same_thread=False, isolation_level=None)
db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
db.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, body TEXT)")
def keep(body):
    with lock:
        return db.execute("INSERT INTO jobs (body) VALUES (?)", (json.dumps(body),)).lastrowid
@app.post("/api/v5/multiview")
async def multiview(request: Request):
    return {"status": "processing", "id": await run_in_threadpool(keep, await request.json())}
uvicorn.run(app, port=PORT, log_level="error")
""",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(
    command: list[str], environment: dict[str, str], url: str, folder: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from the moment it answers."""
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(command, env=environment, cwd=folder, stdout=quiet, stderr=quiet)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(url, timeout=5)
                break
            time.sleep(0.1)
        yield running
    finally:
        running.terminate()
        running.wait(60)


@contextlib.contextmanager
def orbitview_server(folder: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``orbitview serve`` with its worker, and the stub engine installed as a plug-in."""
    plugin = folder / "plugin"
    (plugin / "stub-1.dist-info").mkdir(parents=True)
    (plugin / "stub_engine.py").write_text(STUB)
    (plugin / "stub-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stub\nVersion: 1\n")
    (plugin / "stub-1.dist-info" / "entry_points.txt").write_text("[orbitview.engines]\nstub = stub_engine:Stub\n")
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": str(plugin),
        "ORBITVIEW_DATA_DIR": str(folder / "data"),
        "ORBITVIEW_PORT": str(port),
        "ORBITVIEW_MAX_QUEUE": "1000000",
        "ORBITVIEW_COMPATIBLE_WAIT": "0",
    }
    url = f"http://127.0.0.1:{port}"
    with process([sys.executable, "-m", "orbitview.cli", "serve", *arguments], environment, url + "/readyz") as running:
        yield url, running


async def _hammer(url: str, body: dict[str, Any], seconds: float, callers: int) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    async with aiohttp.ClientSession() as session:

        async def caller() -> None:
            while time.perf_counter() < end:
                begun = time.perf_counter()
                async with session.post(url + "/api/v5/multiview", json=body) as answer:
                    said = await answer.json()
                    if said["status"] != "processing":
                        raise SystemExit(f"refused: {said}")
                times.append(time.perf_counter() - begun)

        await asyncio.gather(*(caller() for _ in range(callers)))
    return times


def intake(name: str, url: str, body: dict[str, Any], seconds: float, callers: int) -> float:
    """Requests a second that are accepted."""
    asyncio.run(_hammer(url, body, 1.0, callers))
    times = asyncio.run(_hammer(url, body, seconds, callers))
    rate, p99 = len(times) / seconds, statistics.quantiles(times, n=100)[98]
    middle = statistics.median(times) * 1000
    print(f"  {name:34} {rate:7.0f} jobs/s   median {middle:5.1f} ms   p99 {p99 * 1000:6.1f} ms", flush=True)
    return rate


async def _beside_listeners(url: str, body: dict[str, Any], listeners: int) -> tuple[float, float]:
    """Median seconds of a look at a job: alone, and while so many listen to one that waits."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async with session.post(url + "/v1/views", json=body) as answer:
            job = (await answer.json())["id"]

        async def look() -> float:
            times = []
            for _ in range(60):
                begun = time.perf_counter()
                async with session.get(f"{url}/v1/jobs/{job}") as answer:
                    await answer.read()
                times.append(time.perf_counter() - begun)
                await asyncio.sleep(0.02)
            return statistics.median(times)

        async def listen() -> None:
            async with session.get(f"{url}/v1/jobs/{job}/events", timeout=aiohttp.ClientTimeout(None)) as answer:
                async for _ in answer.content:
                    pass

        alone = await look()
        ears = [asyncio.create_task(listen()) for _ in range(listeners)]
        await asyncio.sleep(3)
        beside = await look()
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)
    return alone, beside


def megabytes(running: subprocess.Popen[bytes]) -> list[int]:
    """Resident memory of the API and of its worker."""
    family = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    return [round(p.memory_info().rss / 2**20) for p in family]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1000, help="for the memory figure")
    options = parser.parse_args()
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), "red").crop((-32, -32, 96, 96)).save(buffer, "PNG")  # cut out already
    picture = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    with tempfile.TemporaryDirectory() as folder, orbitview_server(Path(folder)) as (url, running):
        link = httpx.post(url + "/v1/images", json={"image": picture}).json()["url"]
        body = {"image": link, "engine": "stub", "seed": 1, "width": 64, "height": 96}
        print(f"intake, {options.callers} callers, {options.seconds:.0f} s each (worker running beside it)")
        ours = intake("orbitview, picture by link", url, body, options.seconds, options.callers)
        intake("orbitview, picture in the body", url, body | {"image": picture}, options.seconds, options.callers)
    for name, code in PEERS.items():
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "peer.py"
            script.write_text(code.replace("PORT", str(port)))
            url = f"http://127.0.0.1:{port}"
            with process([sys.executable, str(script)], dict(os.environ), url, folder):
                theirs = intake(name, url, body, options.seconds, options.callers)
                print(f"  {'':34} orbitview takes in {ours / theirs:.2f} of that")
    with tempfile.TemporaryDirectory() as folder, orbitview_server(Path(folder), "--no-worker") as (url, running):
        small = {"image": picture, "engine": "stub", "size": 64}
        alone, beside = asyncio.run(_beside_listeners(url, small, 200))
        print(f"a look at a job: {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside 200 listeners")
    with tempfile.TemporaryDirectory() as folder, orbitview_server(Path(folder)) as (url, running):
        wait = {"Prefer": "wait"}
        data = "data:image/jpeg;base64," + base64.b64encode(SAMPLE.read_bytes()).decode()
        served, bare = [], []
        for turn in range(9):
            begun = time.perf_counter()
            httpx.post(url + "/v1/views", json={"image": data, "seed": turn}, headers=wait, timeout=60)
            served.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            orbitview.generate(SAMPLE, seed=turn)
            bare.append(time.perf_counter() - begun)
        one, other = statistics.median(served[1:]), statistics.median(bare[1:])
        print(f"one job: {one * 1000:.0f} ms served, {other * 1000:.0f} ms bare, {1000 * (one - other):.0f} ms over")
        link = httpx.post(url + "/v1/images", json={"image": picture}).json()["url"]
        begun = time.perf_counter()
        for turn in range(options.jobs):
            small = {"image": link, "engine": "stub", "seed": 1, "width": 64, "height": 96}
            httpx.post(url + "/v1/views", json=small, headers=wait, timeout=60).raise_for_status()
            if turn + 1 in (100, options.jobs // 2, options.jobs):
                print(f"memory after {turn + 1} jobs (API, worker): {megabytes(running)} MB", flush=True)
        each = (time.perf_counter() - begun) / options.jobs
        print(f"an empty job, from request to result: {each * 1000:.0f} ms")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")


if __name__ == "__main__":
    main()
