"""The server under faults: ``python -m bench.chaos`` (Linux; a full disk and PostgreSQL need root or their programs).

On each database: jobs while the worker, the API or both are killed at random moments, while the worker is stopped for
longer than the fleet waits, while the disk is full, while the database is away. What is counted: jobs that nobody knows
any more (lost), that ended more than once or whose output changed (doubled), that never ended (stuck).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from postgres import Database, postgres
from server_process import Receiver, Server
from test_contract import PICTURE

BODY = {"image": PICTURE, "size": 192, "width": 128, "height": 192, "seed": 1, "rig": "orbit-24"}
PATIENCE = 300.0
"""Seconds after which a job that has not ended is stuck."""


class Run:
    """One server, the jobs that it took, and what was heard of them."""

    def __init__(self, folder: Path, database: str, **settings: object) -> None:
        self.hook = Receiver()
        self.server = Server(
            folder, database_url=database, compatible_wait=0, allow_hosts="127.0.0.1", log_format="json", **settings
        ).start()
        self.jobs: list[int] = []
        self.grids: dict[int, set[bytes]] = collections.defaultdict(set)

    def submit(self) -> None:
        """One more job; a server that is down just now is asked again."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                token = {"Idempotency-Key": f"job-{len(self.jobs)}"}
                answer = httpx.post(
                    self.server.url + "/v1/views", json=BODY | {"webhook": self.hook.url}, headers=token, timeout=30
                )
                if answer.status_code in (200, 202):
                    self.jobs.append(answer.json()["id"])
                    return
            time.sleep(0.2)
        raise SystemExit("The server takes no jobs.")

    def look(self, job: int) -> str:
        """Its status, "lost" or "away"; a grid that is there is read."""
        try:
            found = httpx.get(f"{self.server.url}/v1/jobs/{job}", timeout=30)
        except httpx.HTTPError:
            return "away"
        if found.status_code != 200:
            return "lost" if found.status_code == 404 else "away"
        document = found.json()
        if document["status"] == "success":
            with contextlib.suppress(httpx.HTTPError):
                self.grids[job].add(httpx.get(document["files"][0]["url"], timeout=30).content)
        return str(document["status"])

    def open(self) -> int:
        """How many are queued or running."""
        return sum(self.look(job) in ("queued", "processing", "away") for job in self.jobs)

    def count(self) -> dict[str, int]:
        """Wait for all to end, and say what became of them."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.open():
            time.sleep(0.5)
        said = collections.Counter(self.look(job) for job in self.jobs)
        while time.monotonic() < end and len({head["webhook-id"] for head, _ in self.hook.got}) < len(self.jobs):
            time.sleep(0.5)
        told: dict[int, set[str]] = collections.defaultdict(set)
        for head, text in self.hook.got:
            told[json.loads(text)["id"]].add(head["webhook-id"])
        changed = sum(len(grids) > 1 for grids in self.grids.values())
        return {
            "jobs": len(self.jobs),
            "succeeded": said["success"],
            "failed": said["failed"],
            "lost": said["lost"],
            "doubled": changed + sum(len(events) > 1 for events in told.values()),
            "stuck": said["queued"] + said["processing"] + said["away"],
            "never told": len(set(self.jobs) - told.keys()),
        }


def kills(run: Run, jobs: int, times: int, moments: random.Random) -> None:
    """Worker, API or both, at random moments."""
    for number in range(times):
        while len(run.jobs) < jobs and (run.open() < 3 or len(run.jobs) < (number + 1) * jobs // times):
            run.submit()
        time.sleep(moments.uniform(0.0, 2.5))
        run.server.strike(number)


def stopped(run: Run, jobs: int) -> None:
    """SIGSTOP to the worker in the middle of a job, for longer than the others wait for it; then SIGCONT."""
    environment = run.server.environment | {"ORBITVIEW_WORKER": "second"}
    for _ in range(jobs):
        run.submit()
    while run.look(run.jobs[0]) == "queued":
        time.sleep(0.05)
    first = run.server.worker_pid()
    assert first
    os.kill(first, signal.SIGSTOP)
    second = subprocess.Popen(
        [sys.executable, "-m", "orbitview.cli", "worker"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + PATIENCE
        while run.open() > 1 and time.monotonic() < end:
            time.sleep(0.5)
        os.kill(first, signal.SIGCONT)
        while run.open() and time.monotonic() < end:
            time.sleep(0.5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGCONT)
        second.terminate()
        second.wait(60)


def full(run: Run, jobs: int, folder: Path) -> None:
    """The disk fills up in the middle of a job, and is cleared."""
    for _ in range(jobs):
        run.submit()
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    refused = httpx.post(run.server.url + "/v1/views", json=BODY, timeout=60).status_code
    time.sleep(10)
    filler.unlink()
    print(f"    a request while it was full: {refused}")


def away(run: Run, jobs: int, database: Database) -> None:
    """The database is stopped at once, and comes back."""
    for _ in range(jobs):
        run.submit()
    for _ in range(3):
        time.sleep(2)
        database.stop()
        time.sleep(3)
        database.start()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int = 80) -> Iterator[bool]:
    """Whether a file system of its own could be had at the folder."""
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True, check=False
    )
    yield made.returncode == 0
    if made.returncode == 0:
        subprocess.run(["umount", "-l", folder], check=False)


def tried(title: str, database: str, act: Callable[[Run], None], folder: Path, **settings: object) -> bool:
    """Run one kind of fault and print its line; whether nothing was lost, doubled or stuck."""
    print(f"  {title} …", flush=True)
    begun = time.monotonic()
    run = Run(folder, database, **settings)
    try:
        act(run)
        said: dict[str, Any] = run.count()
    finally:
        run.server.stop()
    print(
        "    " + ", ".join(f"{value} {name}" for name, value in said.items()) + f" ({time.monotonic() - begun:.0f} s)"
    )
    return not any(said[name] for name in ("lost", "doubled", "stuck", "never told"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--few", type=int, default=6, help="jobs for each of the other faults")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    moments, good = random.Random(options.seed), True

    def killing(run: Run) -> None:
        kills(run, options.jobs, options.kills, moments)

    def fresh() -> Path:
        return Path(tempfile.mkdtemp(dir=whole))

    with tempfile.TemporaryDirectory() as whole:
        print("SQLite")
        good &= tried(f"{options.kills} kills", "", killing, fresh())
        disk = fresh()
        with small_disk(disk) as there:
            if there:
                good &= tried("full disk", "", lambda run: full(run, options.few, disk), disk)
            else:
                print("  full disk: not tried, mounting needs root")
        print("PostgreSQL")
        with postgres() as url:
            good &= tried(f"{options.kills} kills", url, killing, fresh())
        with postgres() as url:
            good &= tried("worker stopped", url, lambda run: stopped(run, options.few), fresh(), worker_timeout=5)
        with postgres() as url:
            good &= tried("database away three times", url, lambda run: away(run, options.few, url), fresh())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
