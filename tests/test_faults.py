"""What breaks servers: full disks, lost databases, signals, files that nobody knows. Real processes throughout."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from postgres import postgres
from server_process import Server, free_port, running, wait_until_ended
from test_contract import PICTURE
from test_rest import SMALL

SLOW = SMALL | {"cameras": [{"azimuth": a, "elevation": 0} for a in range(0, 360, 6)], "size": 256}


def files_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder / "files")) for p in (folder / "files").rglob("*") if p.is_file())


def test_refused_requests_leave_nothing_on_disk(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker", max_queue=1) as server:
        bad = {"webhook": "ftp://nowhere"}
        for path in ("/v1/views", "/api/v5/multiview"):
            for extra in (bad, {"formats": ["nonsense"]}, {"track_id": "x" * 9000} | bad):
                assert httpx.post(server.url + path, json=SMALL | extra).json().get("status") in ("error", 422)
        assert files_under(tmp_path) == []
        assert httpx.post(server.url + "/v1/views", json=SMALL).status_code == 202
        time.sleep(0.6)  # the queue's length may be half a second old
        assert httpx.post(server.url + "/v1/views", json=SMALL).status_code == 429
        token = {"Idempotency-Key": "same"}
        assert len(files_under(tmp_path)) == 1, "one job, one picture"
        assert httpx.post(server.url + "/v1/views", json=SMALL, headers=token).status_code == 429
        assert len(files_under(tmp_path)) == 1


def test_a_repeated_request_stores_its_picture_once(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        token = {"Idempotency-Key": "order-1"}
        first, again = (httpx.post(server.url + "/v1/views", json=SMALL, headers=token).json() for _ in range(2))
        assert first["id"] == again["id"]
        assert len(files_under(tmp_path)) == 1
        other = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Idempotency-Key": "order-2"}).json()
        assert other["seed"] != first["seed"], "the seed comes from the whole key"


def test_files_that_no_record_knows_are_swept(tmp_path: Path) -> None:
    from orbitview.config import Settings
    from orbitview.jobs.queue import JobQueue

    with running(tmp_path) as server:
        job = httpx.post(server.url + "/v1/views", json=SMALL | {"formats": ["views"]}).json()
        assert wait_until_ended(server.url, job["id"])["status"] == "success"
        upload = httpx.post(server.url + "/v1/images", json={"image": PICTURE}).json()
        known = files_under(tmp_path)
        for name in ("generations/orphan.png", "generations/dead/view-01.png", "uploads/x.png", "scenes/dead.scene"):
            (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "files" / name).write_bytes(b"left behind")
        (tmp_path / "files/generations/fresh.png").write_bytes(b"its record comes in a moment")
        for path in (tmp_path / "files").rglob("*"):
            if path.is_file() and path.name != "fresh.png":
                os.utime(path, (time.time() - 7200,) * 2)
        queue = JobQueue(Settings(data_dir=tmp_path))
        assert queue.sweep_files() == 4
        assert files_under(tmp_path) == sorted([*known, "generations/fresh.png"])
        (tmp_path / "files/generations/fresh.png").unlink()
        assert httpx.get(upload["url"]).status_code == 200
        # A deleted job takes everything with it, the queue's own rows too.
        httpx.delete(f"{server.url}/v1/jobs/{job['id']}")
        assert files_under(tmp_path) == [f for f in known if f.startswith("uploads/")]
        assert queue.client.list_workflows(name="orbitview.job") == []
        queue.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_passes(small_disk: Path) -> None:
    with running(small_disk) as server:
        job = httpx.post(server.url + "/v1/views", json=SLOW).json()
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        assert httpx.get(server.url + "/readyz").status_code == 503
        refused = httpx.post(server.url + "/v1/views", json=SMALL)
        assert (refused.status_code, refused.json()["type"]) == (507, "urn:orbitview:storage_full")
        hosted = httpx.post(server.url + "/api/v5/multiview", json=SMALL).json()
        assert (hosted["status"], hosted["message"]) == ("error", "The disk is full.")
        time.sleep(4)
        filler.unlink()
        ended = wait_until_ended(server.url, job["id"], 90)
        assert ended["status"] == "success" or ended["error"]["code"] == "storage_full"  # type: ignore[index]
        assert httpx.get(server.url + "/readyz").status_code == 200
        again = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait=60"}).json()
        assert again["status"] == "success"


def test_a_database_that_goes_away_and_comes_back_costs_no_job(tmp_path: Path) -> None:
    with postgres() as database, running(tmp_path, database_url=database) as server:
        job = httpx.post(server.url + "/v1/views", json=SLOW).json()
        deadline = time.monotonic() + 120
        while httpx.get(f"{server.url}/v1/jobs/{job['id']}").json()["status"] == "queued":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        database.stop()
        answer = httpx.post(server.url + "/v1/views", json=SMALL)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:orbitview:database_unavailable")
        assert httpx.get(server.url + "/readyz").status_code == 503
        time.sleep(3)
        database.start()
        ended = wait_until_ended(server.url, job["id"], 120)
        assert (ended["status"], ended["error"]) == ("success", None)
        again = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait=60"}).json()
        assert again["status"] == "success"


def test_sigterm_ends_api_and_worker_and_hands_the_job_back(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    job = httpx.post(server.url + "/v1/views", json=SLOW).json()
    worker = server.worker_pid()
    assert server.process
    assert worker
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert not Path(f"/proc/{worker}").exists(), "the worker ended before its parent"
    with running(tmp_path) as again:
        assert wait_until_ended(again.url, job["id"], 120)["status"] == "success"


def test_a_busy_port_is_one_sentence_and_nothing_is_started(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        done = subprocess.run(
            [sys.executable, "-m", "orbitview.cli", "serve", "--port", str(server.port), "--data-dir", tmp_path / "b"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert "in use already" in done.stderr
        assert "listens on" not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--port", "99999"], {}, "port"),
        ([], {"ORBITVIEW_PORT": "eighty"}, "port"),
        (["--data-dir", "/proc/nowhere"], {}, "data folder"),
        (["--host", "203.0.113.77"], {}, "203.0.113.77"),
    ],
)
def test_impossible_settings_are_one_sentence(
    arguments: list[str], environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    given = [*arguments] if "--data-dir" in arguments else [*arguments, "--data-dir", str(tmp_path)]
    if "--port" not in arguments and not environment:
        given += ["--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "orbitview.cli", "serve", *given],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4
