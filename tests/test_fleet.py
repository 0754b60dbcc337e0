"""Durability and fleets: real processes, killed without warning, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import collections
import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres import postgres
from server_process import Receiver, Server, running, wait_until_ended
from test_contract import PICTURE
from test_storage import s3_server

SMALL = {"image": PICTURE, "size": 64, "width": 128, "height": 192, "seed": 1, "engine": "inflate"}


class Worker:
    """``orbitview worker`` beside a server, with its log."""

    def __init__(self, server: Server, name: str) -> None:
        self.name, self.path = name, server.folder / f"{name}.log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orbitview.cli", "worker"],
            env=server.environment | {"ORBITVIEW_WORKER": name, "ORBITVIEW_LOG_FORMAT": "json"},
            stderr=open(self.path, "wb"),  # noqa: SIM115
        )

    def lines(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.path.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def kill(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(60)


def processes_of(folder: Path) -> list[int]:
    """Living processes whose data lie in the folder (Linux tells)."""
    mine = f"ORBITVIEW_DATA_DIR={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mine in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    with postgres() as url:
        yield url


@pytest.mark.timeout(900)
def test_no_job_is_lost_whatever_dies(database: str, tmp_path: Path) -> None:
    """6 jobs; the worker, the API or both are killed at 4 random moments while some of them wait and run.

    ``python -m bench.chaos`` does it with 30 and 20.
    """
    moments = random.Random(20)
    hook = Receiver()
    server = Server(tmp_path, compatible_wait=0, allow_hosts="127.0.0.1", database_url=database).start()
    body = SMALL | {"size": 192, "rig": "orbit-12", "webhook": hook.url}
    jobs: list[int] = []
    outputs: dict[int, bytes] = {}

    def look() -> int:
        """Note the output of every job that has one, once; returns how many are open."""
        left = 0
        for job in jobs:
            if job not in outputs:
                found = httpx.get(f"{server.url}/v1/jobs/{job}").json()
                if found["status"] == "success":
                    outputs[job] = httpx.get(found["files"][0]["url"]).content
                left += found["status"] in ("queued", "processing")
        return left

    try:
        for number in range(4):
            # Never fewer than three open jobs, and all of them in by the last moment.
            due = max(3 - look(), (number + 1) * 6 // 4 - len(jobs))
            for _ in range(min(due, 6 - len(jobs))):
                answer = httpx.post(server.url + "/v1/views", json=body | {"track_id": str(len(jobs))})
                assert answer.status_code == 202
                jobs.append(answer.json()["id"])
            time.sleep(moments.uniform(0.0, 2.5))
            server.strike(number)
        assert len(jobs) == 6
        ended = [wait_until_ended(server.url, job, 400) for job in jobs]
        for job in ended:
            assert job["status"] == "success" or job["error"]["code"] == "crashed", job  # type: ignore[index]
        good = {job["id"]: job["files"][0]["url"] for job in ended if job["status"] == "success"}  # type: ignore[index]
        assert len(good) >= 5
        assert outputs.keys() <= good.keys()
        grids = {httpx.get(url).content for url in good.values()}
        assert grids == set(outputs.values()), "an output changed"
        deadline = time.monotonic() + 180
        while len(told := {got["webhook-id"] for got, _ in hook.got}) < 6 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(told) == 6
        assert {json.loads(text)["track_id"] for _, text in hook.got} == {str(n) for n in range(6)}
    finally:
        server.stop()
    deadline = time.monotonic() + 180
    while (left := processes_of(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left, "a worker outlives every API"


def test_two_workers_share_jobs_on_postgresql_and_s3(tmp_path: Path) -> None:
    """20 jobs, two workers that start together, one database, one bucket: each job runs once."""
    with (
        postgres() as url,
        s3_server() as store,
        running(tmp_path, "--no-worker", database_url=url, compatible_wait=0, **store) as server,
    ):
        workers = [Worker(server, name) for name in ("left", "right")]
        try:
            deadline = time.monotonic() + 180
            while not all(worker.lines("ready") for worker in workers) and time.monotonic() < deadline:
                time.sleep(0.1)
            jobs = [httpx.post(server.url + "/v1/views", json=SMALL).json()["id"] for _ in range(20)]
            ended = [wait_until_ended(server.url, job, 120) for job in jobs]
            assert {job["status"] for job in ended} == {"success"}
            assert len({httpx.get(job["files"][0]["url"]).content for job in ended}) == 1  # type: ignore[index]
            ran = [collections.Counter(line["job"] for line in worker.lines("started")) for worker in workers]
            assert ran[0] + ran[1] == collections.Counter(jobs)
            assert min(len(ran[0]), len(ran[1])) >= 4
        finally:
            for worker in workers:
                worker.kill(signal.SIGTERM)
        assert [worker.process.returncode for worker in workers] == [0, 0]


def test_a_worker_that_never_returns_is_replaced(tmp_path: Path) -> None:
    with (
        postgres() as url,
        running(tmp_path, "--no-worker", database_url=url, compatible_wait=0, worker_timeout=3) as server,
    ):
        lost, other = Worker(server, "lost"), None
        try:
            slow = SMALL | {"size": 1024, "rig": "orbit-60"}
            job = httpx.post(server.url + "/v1/views", json=slow).json()["id"]
            deadline = time.monotonic() + 120
            while not lost.lines("started") and time.monotonic() < deadline:
                time.sleep(0.1)
            lost.kill()
            other = Worker(server, "other")
            # The rest of the job is made short: what counts is who runs it.
            while not other.lines("started") and time.monotonic() < deadline + 60:
                time.sleep(0.2)
            assert [line["worker"] for line in other.lines("worker is gone")] == ["lost"]
            assert [line["job"] for line in other.lines("started")] == [job]
            assert httpx.delete(f"{server.url}/v1/jobs/{job}").status_code == 204
        finally:
            for worker in (lost, other):
                if worker:
                    worker.kill()


def test_order_of_jobs(tmp_path: Path) -> None:
    """Urgent jobs first within a key; a key with many jobs does not hold up another."""
    server = Server(tmp_path, "--no-worker", compatible_wait=0)
    keys = [json.loads(server.cli("keys", "create", name))["key"] for name in ("many", "few")]
    worker = None
    server.start()
    try:

        def submit(key: str, priority: int) -> int:
            answer = httpx.post(
                server.url + "/v1/views", json=SMALL | {"priority": priority}, headers={"X-API-Key": key}
            )
            return int(answer.json()["id"])

        many = [submit(keys[0], priority) for priority in (10, 10, 10, 10, 10, 10, 1, 5)]
        few = submit(keys[1], 10)
        worker = Worker(server, "only")
        deadline = time.monotonic() + 180
        while len(worker.lines("ended")) < 9 and time.monotonic() < deadline:
            time.sleep(0.1)
        order = [line["job"] for line in worker.lines("started")]
        assert [job for job in order if job != few] == [many[6], many[7], *many[:6]]
        assert order.index(few) <= 1
    finally:
        if worker:
            worker.kill(signal.SIGTERM)
        server.stop()
