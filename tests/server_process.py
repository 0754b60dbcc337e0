"""A real server process with a real worker beside it, for tests."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """``orbitview serve`` on a port of its own."""

    def __init__(self, folder: Path, *arguments: str, **settings: object) -> None:
        self.folder, self.port, self.arguments = folder, free_port(), arguments
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "ORBITVIEW_DATA_DIR": str(folder),
            "ORBITVIEW_PORT": str(self.port),
            "ORBITVIEW_COMPATIBLE_WAIT": "100",  # no test may depend on the machine's speed
            "OMP_NUM_THREADS": "1",
        }
        self.environment |= {f"ORBITVIEW_{k.upper()}": str(v) for k, v in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orbitview.cli", "serve", *self.arguments],
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "server.log", "ab"),  # noqa: SIM115
        )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + "/readyz", timeout=2).status_code == 200:
                    return self
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """kill -9 of API and worker at once."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)

    def strike(self, number: int) -> None:
        """kill -9, by turns of the worker, of the API (which is started again), of both."""
        worker, victim = self.worker_pid(), number % 3
        if victim == 0 and worker:
            os.kill(worker, signal.SIGKILL)
        elif victim == 1:
            assert self.process
            self.process.kill()
            self.process.wait(60)
            self.start()
        else:
            self.kill()
            self.start()

    def worker_pid(self) -> int | None:
        """The worker's process id, if it runs."""
        assert self.process
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True
        ).stdout.split()
        return int(found[0]) if found else None

    def cli(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "orbitview.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **settings: object) -> Iterator[Server]:
    server = Server(folder, *arguments, **settings)
    try:
        yield server.start()
    finally:
        server.stop()


def wait_until_ended(
    url: str, job_id: int, seconds: float = 300, headers: dict[str, str] | None = None
) -> dict[str, object]:
    """The job's v1 document once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            job: dict[str, object] = httpx.get(f"{url}/v1/jobs/{job_id}", headers=headers, timeout=10).json()
            if job["status"] not in ("queued", "processing"):
                return job
        time.sleep(0.1)
    raise AssertionError(f"job {job_id} did not end in {seconds} s")


class Receiver:
    """An HTTP server that writes down what it gets and answers with the statuses it was given."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[dict[str, str], str]] = []
        waiting = list(statuses)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(inner) -> None:  # noqa: N805
                length = int(inner.headers["content-length"])
                body = inner.rfile.read(length).decode()
                if len(body.encode()) < length:  # the sender died in mid-sentence: nothing was told
                    return
                self.got.append(({k.lower(): v for k, v in inner.headers.items()}, body))
                inner.send_response(waiting.pop(0) if waiting else 200)
                inner.end_headers()

            def log_message(inner, *_: object) -> None:  # noqa: N805
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(self.got) >= count
