"""``orbitview serve``: the API, and beside it one worker process that is started again when it dies."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import threading
import time

import uvicorn

from ..config import Settings
from ..errors import InvalidRequest
from ..jobs.queue import JobQueue
from ..logs import configure
from .app import create_app


def check_open(settings: Settings) -> bool:
    """Whether the server runs open, without keys.

    Raises:
        InvalidRequest: it would listen to others without any key.
    """
    queue = JobQueue(settings)
    keys = queue.records.any_key()
    queue.close()
    if keys:
        return False
    try:
        local = settings.host == "localhost" or ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise InvalidRequest(
            f"Without API keys the server listens on loopback only, not on {settings.host}.",
            hint="Make a key first: orbitview keys create NAME.",
        )
    return True


class Supervisor:
    """Keeps a worker process running."""

    def __init__(self, settings: Settings) -> None:
        self._stop = threading.Event()
        self._environment = os.environ | {
            "ORBITVIEW_PARENT": str(os.getpid()),
            **{f"ORBITVIEW_{k.upper()}": str(v) for k, v in settings.model_dump().items() if v not in ("", None)},
        }
        self.process = self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "orbitview.cli", "worker"], env=self._environment)

    def _watch(self) -> None:
        pause = 0.2
        while not self._stop.is_set():
            begun = time.monotonic()
            self.process.wait()
            if self._stop.is_set():
                return
            pause = 0.2 if time.monotonic() - begun > 10 else min(5.0, pause * 2)
            if not self._stop.wait(pause):
                self.process = self._start()

    def stop(self) -> None:
        """Let the worker finish its job, 40 s at most."""
        self._stop.set()
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


def serve(settings: Settings, worker: bool = True) -> None:
    """Run until told to stop."""
    configure(settings)
    if check_open(settings):
        print("No API key exists: open to everybody on this machine, and to nobody else.", file=sys.stderr)
    supervisor = Supervisor(settings) if worker else None
    print(f"orbitview listens on {settings.base_url} (docs at /docs)", file=sys.stderr)
    try:
        uvicorn.run(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=20,
        )
    finally:
        if supervisor:
            supervisor.stop()
