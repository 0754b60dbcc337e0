"""Jobs that wait at the same time run together: fairly for each key, each once, and none at another's expense."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import make_figure
from PIL import Image
from server_process import Server, wait_until_ended
from test_contract import PICTURE

import orbitview
from orbitview import Camera, View, ViewSet
from orbitview.engines import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from orbitview.engines.together import gathering, run_one


class Stub:
    """Batches that a test lets go; a request whose prompt says so fails."""

    info = EngineInfo("stub", "Paints its seed.", "none", frozenset({"batch", "seed", "steps", "prompt"}))

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.at_once = 0

    def readiness(self) -> Readiness:
        return Readiness(True)

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        self.batches.append([request.seed for request in requests])
        self.begun.release()
        self.at_once += 1
        assert self.at_once == 1
        try:
            while not self.go_on.acquire(timeout=0.01):
                progress(0.5, f"paint {len(requests)}")
            if any(request.prompt == "fail" for request in requests):
                raise ValueError("not this one")
            return [
                ViewSet([View(Image.new("RGBA", (8, 8), (r.seed % 256, 0, 0, 255)), Camera(0, 0))]) for r in requests
            ]
        finally:
            self.at_once -= 1


def ask(engine: Stub, seed: int, key: str = "a", most: int = 4, **more: object) -> ViewSet:
    progress = more.pop("progress", no_progress)
    with gathering(most, key):
        return run_one(engine, EngineRequest(make_figure(), [], seed=seed, **more), progress)  # type: ignore[arg-type]


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(32)


pytestmark = pytest.mark.timeout(90)


def queue_up(engine: Stub, pool: ThreadPoolExecutor, calls: Sequence[Callable[[], ViewSet]]) -> list:  # type: ignore[type-arg]
    """Hand calls in one after the other while a first request keeps the engine busy; then let all go."""
    first = pool.submit(ask, engine, 999)
    assert engine.begun.acquire(timeout=60)
    futures = []
    for call in calls:
        futures.append(pool.submit(call))
        time.sleep(0.02)  # their order is the order in which they wait
    engine.go_on.release()
    first.result(60)
    return futures


def colour(views: ViewSet) -> int:
    return views[0].image.getpixel((0, 0))[0]  # type: ignore[index]


def test_what_waits_runs_together_fairly_and_once(pool: ThreadPoolExecutor) -> None:
    engine = Stub()
    order = [("a", n) for n in range(8)] + [("b", 100), ("b", 101)]
    futures = queue_up(engine, pool, [lambda k=k, n=n: ask(engine, n, k) for k, n in order])
    for _ in range(3):
        engine.go_on.release()
    assert [colour(f.result(60)) for f in futures] == [n for _, n in order]
    # b came last and shares the first batch; who came first in a key is served first.
    assert [sorted(batch) for batch in engine.batches] == [[999], [0, 1, 100, 101], [2, 3, 4, 5], [6, 7]]


def test_only_requests_of_the_same_steps_run_together(pool: ThreadPoolExecutor) -> None:
    engine = Stub()
    calls = [lambda n=n: ask(engine, n, steps=10 if n % 2 else 20) for n in range(4)]
    futures = queue_up(engine, pool, calls)
    engine.go_on.release(2)
    assert [colour(f.result(60)) for f in futures] == [0, 1, 2, 3]
    assert engine.batches == [[999], [0, 2], [1, 3]]


def test_a_lone_request_does_not_wait() -> None:
    engine = Stub()
    engine.go_on.release()
    asked = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ask, engine, 1)
        assert engine.begun.acquire(timeout=60)
        waited = time.monotonic() - asked
        future.result(60)
    assert waited < 5  # no gate on a busy machine's clock; that nobody is waited for is what the next line shows
    assert engine.batches == [[1]]


def test_company_on_its_way_is_waited_for(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitview.engines.together.WINDOW", 10.0)
    engine, here = Stub(), threading.Barrier(3)

    def come(seed: int) -> ViewSet:
        with gathering(4, "a"):
            here.wait(60)
            time.sleep(0.1 * seed)  # cut out
            return run_one(engine, EngineRequest(make_figure(), [], seed=seed), no_progress)

    futures = [pool.submit(come, n) for n in range(3)]
    engine.go_on.release()
    assert [colour(f.result(60)) for f in futures] == [0, 1, 2]
    assert engine.batches == [[0, 1, 2]]


def test_a_failing_request_takes_no_neighbour_along(pool: ThreadPoolExecutor) -> None:
    engine = Stub()
    calls = [lambda n=n: ask(engine, n, prompt="fail" if n == 1 else None) for n in range(3)]
    futures = queue_up(engine, pool, calls)
    engine.go_on.release(4)
    assert colour(futures[0].result(60)) == 0
    assert colour(futures[2].result(60)) == 2
    with pytest.raises(ValueError, match="not this one"):
        futures[1].result(60)
    assert engine.batches == [[999], [0, 1, 2], [0], [1], [2]]


def test_progress_and_cancelling_are_each_requests_own(pool: ThreadPoolExecutor) -> None:
    engine, heard, stop = Stub(), {n: [] for n in range(3)}, threading.Event()  # type: ignore[var-annotated]

    def progress(n: int) -> Progress:
        def told(share: float, stage: str) -> None:
            heard[n].append(stage)
            if n == 1 and stop.is_set():
                raise orbitview.Cancelled("enough")

        return told

    futures = queue_up(engine, pool, [lambda n=n: ask(engine, n, progress=progress(n)) for n in range(3)])
    assert engine.begun.acquire(timeout=60)
    deadline = time.monotonic() + 60
    while not all("paint 3" in heard[n] for n in heard) and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    with pytest.raises(orbitview.Cancelled):
        futures[1].result(60)  # while the others still run
    assert not futures[0].done()
    engine.go_on.release()
    assert [colour(futures[n].result(60)) for n in (0, 2)] == [0, 2]
    assert engine.batches == [[999], [0, 1, 2]]


def test_when_all_are_cancelled_the_engine_stops(pool: ThreadPoolExecutor) -> None:
    engine = Stub()

    def stop(share: float, stage: str) -> None:
        if stage.startswith("paint"):
            raise orbitview.Cancelled("enough")

    futures = queue_up(engine, pool, [lambda n=n: ask(engine, n, progress=stop) for n in range(2)])
    for future in futures:
        with pytest.raises(orbitview.Cancelled):
            future.result(60)
    deadline = time.monotonic() + 60
    while engine.at_once and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not engine.at_once
    engine.go_on.release()
    assert colour(ask(engine, 7)) == 7


def test_outside_of_a_worker_nothing_changes() -> None:
    """A library's call runs in its own thread, at once."""
    engine, threads = Stub(), []
    engine.go_on.release()
    generate = engine.generate
    engine.generate = lambda *given: threads.append(threading.current_thread()) or generate(*given)  # type: ignore[method-assign,func-returns-value]
    run_one(engine, EngineRequest(make_figure(), [], seed=1), no_progress)
    assert threads == [threading.current_thread()]


PLUGIN = """
import json, os, time
from PIL import Image
from orbitview import Camera, View, ViewSet, rig
from orbitview.engines import EngineInfo, Readiness

class Batching:
    info = EngineInfo("batching", "For a test.", "none", frozenset({"batch", "seed", "prompt"}), rig="sides-4")
    def readiness(self):
        return Readiness(True)
    def generate(self, requests, progress=lambda share, stage: None):
        with open(os.environ["BATCHES"], "a") as file:
            file.write(json.dumps([r.seed for r in requests]) + "\\\\n")
        for part in range(10):
            time.sleep(0.03)
            progress(part / 10, f"paint {part}")
        if any(r.prompt == "fail" for r in requests):
            raise ValueError("not this one")
        return [ViewSet([View(Image.new("RGBA", (r.size, r.size), (r.seed, 90, 90, 255)), c) for c in rig("sides-4")])
                for r in requests]
""".replace("\\\\n", "\\n")


@pytest.mark.timeout(300)
def test_ten_jobs_of_two_keys_through_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "plugin"
    (plugin / "batching-1.dist-info").mkdir(parents=True)
    (plugin / "batching_engine.py").write_text(PLUGIN)
    (plugin / "batching-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: batching\nVersion: 1\n")
    (plugin / "batching-1.dist-info" / "entry_points.txt").write_text(
        "[orbitview.engines]\nbatching = batching_engine:Batching\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{plugin}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("BATCHES", str(tmp_path / "batches"))
    server = Server(tmp_path, compatible_wait=0, batch=4)
    keys = [json.loads(server.cli("keys", "create", name))["key"] for name in ("left", "right")]
    server.start()
    try:
        jobs: dict[int, tuple[int, dict[str, str]]] = {}
        for seed in range(10):
            headers = {"Authorization": f"Bearer {keys[seed >= 5]}"}
            body = {"image": PICTURE, "engine": "batching", "seed": seed, "size": 64, "width": 128, "height": 128}
            body["prompt"] = "fail" if seed == 3 else "fine"
            answer = httpx.post(server.url + "/v1/views", json=body, headers=headers)
            assert answer.status_code == 202, answer.text
            jobs[seed] = answer.json()["id"], headers
        ended = {seed: wait_until_ended(server.url, job, 200, headers) for seed, (job, headers) in jobs.items()}
    finally:
        server.stop()
    assert {seed for seed, job in ended.items() if job["status"] == "failed"} == {3}
    assert all(job["status"] == "success" for seed, job in ended.items() if seed != 3)
    batches: list[list[int]] = [json.loads(line) for line in (tmp_path / "batches").read_text().splitlines()]
    spoiled = [n for n, batch in enumerate(batches) if 3 in batch and len(batch) > 1]
    ran = Counter(seed for n, batch in enumerate(batches) if n not in spoiled for seed in batch)
    assert ran == Counter(range(10)), batches  # each once, but for those that the failing one had beside it
    assert max(map(len, batches)) > 1, batches
    assert all(len(batch) <= 4 for batch in batches)
