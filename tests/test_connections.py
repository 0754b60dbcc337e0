"""Connections that say nothing, listeners by the dozen, and what strangers may see."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from server_process import free_port, running

from orbitview.config import Settings, load_settings
from orbitview.jobs.queue import JobQueue
from orbitview.server import patience
from orbitview.server.listeners import Listeners
from orbitview.server.run import _listen
from orbitview.server.v1 import present


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A small server by our protocol that waits half a second for a head."""
    monkeypatch.setattr(patience, "HEAD", 0.5)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=patience.PatientProtocol, lifespan="off", log_level="error")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_connection_without_a_whole_head_is_closed(patient: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", patient), timeout=20) as connection:
        connection.sendall(said)
        assert connection.recv(100) == b""  # closed by the server, well before our own patience ends


def test_a_kept_connection_serves_further_requests_and_a_half_one_ends_it(patient: int) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", patient), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(whole)
            answer = b""
            while not answer.endswith(b"ok"):
                answer += connection.recv(1000)
            time.sleep(0.3)  # twice this is more than a head may take
        connection.sendall(whole[:10])
        assert connection.recv(100) == b""


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system keeps its own times")
def test_the_dead_are_noticed_within_a_minute(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, port=free_port())
    with _listen(settings) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_one_of_us_looks_at_a_job_for_all_who_listen(tmp_path: Path) -> None:
    queue = JobQueue(Settings(data_dir=tmp_path))
    wanted = {"engine": "lift", "image": {"url": "https://example.com/a.png"}, "seed": 1}
    job = queue.submit(wanted, "open")
    shown: list[int] = []
    looks: list[int] = []
    plain = queue.records.job
    queue.records.job = lambda *given: (looks.append(1), plain(*given))[1]  # type: ignore[method-assign]

    def once(row: dict[str, Any], queue: JobQueue) -> dict[str, Any]:
        shown.append(row["id"])
        return present(row, queue)

    async def listen(listeners: Listeners) -> list[str]:
        return [event async for event in listeners.events(job["id"])]

    async def all_of_them() -> list[list[str]]:
        listeners = Listeners(queue, once)
        tasks = [asyncio.create_task(listen(listeners)) for _ in range(50)]
        await asyncio.sleep(0.5)
        gone = asyncio.create_task(listen(listeners))
        await asyncio.sleep(0.1)
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        queue.records.finish(job["uid"], "failed", error={"code": "x", "message": "y"})
        return await asyncio.wait_for(asyncio.gather(*tasks), 30)

    heard = asyncio.run(all_of_them())
    assert all(events == heard[0] for events in heard)
    assert heard[0][0].startswith("event: progress\n")
    assert json.loads(heard[0][-1].split("data: ")[1])["status"] == "failed"
    assert shown == [job["id"]]
    assert len(looks) < 60  # each listener alone would have looked as often as that many times over
    queue.close()


def test_a_job_that_nobody_knows_ends_its_listeners(tmp_path: Path) -> None:
    queue = JobQueue(Settings(data_dir=tmp_path))

    async def listen() -> list[str]:
        return [event async for event in Listeners(queue, present).events(7)]

    assert asyncio.run(asyncio.wait_for(listen(), 20)) == []
    queue.close()


def test_with_keys_figures_are_for_them_and_files_are_for_nobody_else(tmp_path: Path) -> None:
    with running(tmp_path, docs="off") as server:
        assert httpx.get(server.url + "/metrics").status_code == 200  # open server: everybody is on this machine
        assert httpx.get(server.url + "/docs").status_code == httpx.get(server.url + "/openapi.json").status_code == 404
        made = json.loads(server.cli("keys", "create", "shop"))
        time.sleep(1.2)  # how long a server believes that there is no key
        assert httpx.get(server.url + "/metrics").status_code == 401
        assert httpx.get(server.url + "/metrics", headers={"X-API-Key": made["key"]}).status_code == 200
    for path in [tmp_path / "files", *tmp_path.rglob("*.db*"), *(tmp_path / "files").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_figures_can_be_open_or_off(tmp_path: Path) -> None:
    with running(tmp_path, metrics="off") as server:
        assert httpx.get(server.url + "/metrics").status_code == 404
