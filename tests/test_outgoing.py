"""Addresses that users name: forty that must never be connected to."""

from __future__ import annotations

import gzip
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orbitview import InvalidImage, OrbitviewError
from orbitview.outgoing import AddressGuard, Blocked, client, fetch, is_public

HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1.:80/",
    "http://localhost/",
    "http://localhost.localdomain/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.1/",
    "http://192.168.0.1/",
    "http://192.168.1.1:8080/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://user:pass@127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1/",
    "http://",
    "http:///x",
    "data:text/html,x",
    "http://127.0.0.1:22/",
    "https://127.0.0.1/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::127.0.0.1]/",
    "http://[::10.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[3fff::1]/",
    "http://[2001:db8::1]/",
]


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every attempt to open a socket is written down and refused."""
    attempts: list[Any] = []

    def refuse(address: Any, *_: Any, **__: Any) -> socket.socket:
        attempts.append(address)
        raise OSError("no connections in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    return attempts


def test_there_are_forty() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses_are_refused(url: str, no_connections: list[Any]) -> None:
    with pytest.raises(OrbitviewError):
        fetch(url)
    assert no_connections == []


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, no_connections: list[Any]) -> None:
    """Rebinding: what counts is what the name resolves to when the connection is made."""
    answers = iter([["8.8.8.8", "127.0.0.1"], ["10.1.1.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (a, 80)) for a in next(answers)])
    for _ in range(2):
        with pytest.raises(Blocked):
            AddressGuard().connect_tcp("rebind.example", 80)
    assert no_connections == []


@pytest.fixture
def website() -> Iterator[str]:
    """A local site that redirects, drips and overflows."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/loop":
                self.send_response(302)
                self.send_header("location", "/loop")
                self.end_headers()
            elif self.path == "/inside":
                self.send_response(302)
                self.send_header("location", "http://169.254.169.254/latest")
                self.end_headers()
            elif self.path == "/missing":
                self.send_error(404)
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * (300_000 if self.path == "/large" else 10))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_allow_list_opens_single_hosts(website: str) -> None:
    assert fetch(website + "/ok", allow_hosts="127.0.0.1") == b"x" * 10
    assert fetch(website + "/ok", allow_hosts="127.0.0.0/8") == b"x" * 10


def test_limits_and_redirects(website: str) -> None:
    for path in ("/loop", "/missing"):
        with pytest.raises(InvalidImage):
            fetch(website + path, allow_hosts="127.0.0.1")
    with pytest.raises(InvalidImage, match="MB"):
        fetch(website + "/large", allow_hosts="127.0.0.1", most=100_000)
    with pytest.raises(OrbitviewError, match="not public"):
        fetch(website + "/inside", allow_hosts="127.0.0.1")


class Dripper:
    """A server that answers with what ``script`` yields, a piece at a time, and counts who still listens."""

    def __init__(self, script: Callable[[], Iterator[bytes]], pause: float = 0.05) -> None:
        self.script, self.pause, self.left = script, pause, threading.Event()
        self.sent = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/picture.png"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        connection.recv(65536)
        try:
            for piece in self.script():
                connection.sendall(piece)
                self.sent += len(piece)
                time.sleep(self.pause)
        except OSError:
            pass
        self.left.set()
        connection.close()


def slow_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x"


def slow_body() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"
    while True:
        yield b"x"


def silence() -> Iterator[bytes]:
    while True:
        yield b""


@pytest.mark.parametrize("script", [slow_headers, slow_body, silence])
def test_a_dripping_server_is_left_at_the_deadline(script: Callable[[], Iterator[bytes]]) -> None:
    server = Dripper(script)
    begun = time.monotonic()
    with pytest.raises(InvalidImage, match="too slow"):
        fetch(server.url, allow_hosts="127.0.0.1", seconds=2)
    assert time.monotonic() - begun < 60, "a byte now and then is not progress"
    assert script is silence or server.left.wait(60), "the connection is closed"


def test_a_download_that_nobody_wants_any_more_is_broken_off() -> None:
    server = Dripper(slow_body)
    wanted = iter([True, True])
    with pytest.raises(InvalidImage):
        fetch(server.url, allow_hosts="127.0.0.1", seconds=60, wanted=lambda: next(wanted, False))
    assert server.left.wait(60)


def test_compressed_answers_are_refused_unread() -> None:
    bomb = gzip.compress(gzip.compress(bytes(10_000_000)))

    def script() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb

    with pytest.raises(InvalidImage, match="compressed"):
        fetch(Dripper(script).url, allow_hosts="127.0.0.1")


def test_every_address_of_a_host_is_tried(website: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (a, 0)) for a in ("127.0.0.2", "127.0.0.1")]  # nobody listens on the first
    plain = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: answers if host == "shop.example" else plain(host, *a, **k)
    )
    port = website.rpartition(":")[2]
    assert fetch(f"http://shop.example:{port}/ok", allow_hosts="shop.example") == b"x" * 10


def test_the_client_ignores_proxies(website: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with client("127.0.0.1") as session:
        assert session.get(website + "/ok").status_code == 200
