"""Requests that are made to break a server, and receivers that are made to hold one up."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server_process import Receiver, Server, running
from test_contract import PICTURE
from test_rest import SMALL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("hostile"), "--no-worker", max_queue=100000, compatible_wait=0) as server:
        yield server


def peak_mb(server: Server) -> float:
    assert server.process
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[0]) / 1024


def test_large_bodies_without_a_key_cost_little(tmp_path: Path) -> None:
    bomb = b'{"image": "' + PICTURE.encode() + b'", "a": [' + b"[]," * 20_000_000 + b"[]]}"
    text = b'{"image": "' + b"A" * 50_000_000 + b'"}'
    with running(tmp_path, "--no-worker") as server:
        server.cli("keys", "create", "somebody")
        worst = 0.0

        def watch(stop: threading.Event) -> None:
            nonlocal worst
            while not stop.wait(0.1):
                begun = time.monotonic()
                assert httpx.get(server.url + "/healthz").text == "ok"
                worst = max(worst, time.monotonic() - begun)

        def send(path: str, body: bytes) -> int:
            try:
                return httpx.post(
                    server.url + path, content=body, headers={"content-type": "application/json"}, timeout=120
                ).status_code
            except httpx.TransportError:  # refused before it was sent whole
                return 0

        stop = threading.Event()
        watcher = threading.Thread(target=watch, args=(stop,))
        watcher.start()
        with ThreadPoolExecutor(10) as pool:
            for path in ("/v1/views", "/api/v5/multiview", "/api/v3/fetch/1", "/api/v3/system_load"):
                for body in (bomb, text):
                    assert set(pool.map(lambda _, p=path, b=body: send(p, b), range(10))) <= {0, 200, 401, 413}
        stop.set()
        watcher.join()
        assert peak_mb(server) < 500
        assert worst < 10, "nobody waits until a bomb is parsed"


ODD: list[tuple[str, str, dict[str, object]]] = [
    ("GET", "/generations/%00", {}),
    ("GET", "/generations/" + "a" * 5000, {}),
    ("GET", "/generations/" + "a/" * 2000 + "x", {}),
    ("GET", "/uploads/..%2f..%2forbitview.db", {}),
    ("GET", "/v1/jobs/²", {}),
    ("GET", "/v1/jobs/" + "9" * 5000, {}),
    ("GET", "/v1/jobs?limit=²", {}),
    ("GET", "/v1/jobs?before=" + "9" * 400, {}),
    ("POST", "/api/v3/fetch/²", {"json": {}}),
    ("POST", "/api/v3/fetch/" + "9" * 5000, {"json": {}}),
    ("POST", "/api/v3/fetch/%00", {"json": {}}),
    ("POST", "/api/v3/delete_image", {"json": {"request_id": "²"}}),
    ("POST", "/api/v3/delete_image", {"json": {"request_id": "9" * 5000}}),
    ("POST", "/api/v3/delete_image", {"json": {"request_id": "٣"}}),
    ("POST", "/api/v5/multiview", {"data": {"image": "x", "cameras": "[" * 100_000}}),
    ("POST", "/api/v5/multiview", {"data": {"image": "x", "formats": "[" * 100_000}}),
    ("POST", "/api/v5/multiview", {"content": b"[" * 100_000}),
    ("POST", "/v1/views", {"content": b"[" * 100_000}),
    ("POST", "/v1/views", {"content": b'{"image": ' + b"[" * 10_000}),
    ("POST", "/api/v5/multiview", {"content": b"\xff\xfe\x00"}),
    ("POST", "/v1/views", {"content": b"\xff\xfe\x00"}),
    ("POST", "/v1/images", {"content": b"", "headers": {"content-type": "image/png"}}),
    ("POST", "/v1/images", {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}),
    ("POST", "/v1/images", {"content": b"--x", "headers": {"content-type": "multipart/form-data"}}),
    ("POST", "/v1/views", {"json": SMALL, "headers": {"prefer": b"wait=\xb2"}}),
    ("POST", "/v1/views", {"json": SMALL, "headers": {"idempotency-key": b"\xff\xfe"}}),
    ("POST", "/v1/views", {"json": SMALL, "headers": {"content-length": "abc"}}),
]
for field in ("prompt", "negative_prompt", "track_id", "webhook", "engine", "rig", "background", "seed", "size", "key"):
    for path in ("/v1/views", "/api/v5/multiview"):
        half = json.dumps(SMALL | {"webhook": "http://example.com/"} | {field: "http://example.com/\ud800"})
        ODD.append(("POST", path, {"content": half.encode(), "headers": {"content-type": "application/json"}}))
        for value in ("\x00", "9" * 5000, "²", -1, 1e400, [], {}, True, "NaN", "1e999", 2**70):
            ODD.append(("POST", path, {"content": json.dumps(SMALL | {field: value}).encode()}))


def test_no_input_breaks_it(server: Server) -> None:
    broken = []
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for method, path, options in ODD:
            options = {"headers": {"content-type": "application/json"}} | options if "content" in options else options
            try:
                answer = client.request(method, path, **options)  # type: ignore[arg-type]
            except httpx.HTTPError as error:
                if "content-length" not in str(options):
                    broken.append((method, path[:60], repr(error)))
                continue
            if answer.status_code >= 500 or answer.text.find("Failed, Try Again") >= 0:
                broken.append((method, path[:60], str(options)[-160:]))
    assert broken == []


def test_half_a_character_is_refused_at_the_door(server: Server) -> None:
    half = json.dumps(SMALL | {"prompt": "a \ud800 chair"}).encode()
    headers = {"content-type": "application/json"}
    answer = httpx.post(server.url + "/v1/views", content=half, headers=headers)
    assert answer.status_code == 422
    hosted = httpx.post(server.url + "/api/v5/multiview", content=half, headers=headers).json()
    assert hosted["status"] == "error"
    assert httpx.post(server.url + "/v1/views", json=SMALL | {"prompt": "a \U0001fa91"}).status_code == 202


@pytest.mark.parametrize("span", ["bytes=²-", "bytes=-" + "9" * 5000, "bytes=9999-1", "bytes=--1", "bytes=a-b", "x"])
def test_ranges_that_mean_nothing(server: Server, span: str) -> None:
    link = httpx.post(server.url + "/v1/images", json={"image": PICTURE}).json()["url"]
    assert httpx.get(link, headers={"range": span.encode("latin-1")}).status_code in (200, 206, 416)


def test_seeds_keep_their_digits(server: Server) -> None:
    for seed in (2**53, 2**53 - 1, str(2**53 - 1)):
        assert httpx.post(server.url + "/v1/views", json=SMALL | {"seed": seed}).json()["seed"] == int(seed)
    assert httpx.post(server.url + "/v1/views", json=SMALL | {"seed": 2**53 + 1}).status_code == 422


class Endless:
    """A receiver that takes every webhook and answers with a body without end, a byte at a time."""

    def __init__(self, fast: bool) -> None:
        self.fast, self.taken = fast, 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/hook"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.recv(65536)
        self.taken += 1
        try:
            if self.fast:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * (65536 if self.fast else 1))
                time.sleep(0 if self.fast else 0.1)
        except OSError:
            connection.close()


def test_slow_receivers_hold_up_no_other_key(tmp_path: Path) -> None:
    slow, endless, good = Endless(fast=False), Endless(fast=True), Receiver()
    with running(tmp_path, allow_hosts="127.0.0.1") as server:
        one, two = (json.loads(server.cli("keys", "create", name)) for name in ("one", "two"))
        bad = SMALL | {"image": "http://10.0.0.1/x.png"}  # fails at once, and its webhook tells so
        for _ in range(20):
            httpx.post(server.url + "/v1/views", json=bad | {"webhook": slow.url}, headers={"X-API-Key": one["key"]})
        deadline = time.monotonic() + 60
        while slow.taken < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        for url in (good.url, endless.url):
            httpx.post(server.url + "/v1/views", json=bad | {"webhook": url}, headers={"X-API-Key": two["key"]})
        good.wait(1)
        assert slow.taken < 16, "had they all slots, sixteen would have come first"
        headers = {"X-API-Key": two["key"]}
        while time.monotonic() < deadline + 60:
            job = httpx.get(server.url + "/v1/jobs", headers=headers).json()["jobs"][0]["id"]
            if log := httpx.get(f"{server.url}/v1/jobs/{job}/webhooks", headers=headers).json():
                break
            time.sleep(0.2)
        assert (log[0]["status"], log[0]["error"]) == (200, None), "a body without end is not read"
