"""``orbitview serve``: the API, and beside it one worker process that is started again when it dies."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType

import uvicorn

from ..config import Settings
from ..errors import InvalidRequest
from ..jobs.queue import JobQueue
from ..logs import configure
from .app import create_app
from .patience import PatientProtocol, notice_the_dead


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
    if not settings.on_loopback:
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

    def tell(self) -> None:
        """Ask the worker to finish its job and end."""
        self._stop.set()
        self.process.terminate()

    def stop(self) -> None:
        """Wait until the worker has ended, 40 s at most."""
        self.tell()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


class _Server(uvicorn.Server):
    """Hands a signal on to the worker at once, and leaves the way out to us."""

    supervisor: Supervisor | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came: no more work is begun, on either side."""
        if self.supervisor:
            self.supervisor.tell()
        super().handle_exit(sig, frame)


def serve(settings: Settings, worker: bool = True) -> None:
    """Run until told to stop.

    Raises:
        InvalidRequest: the address cannot be listened on, or the server would be open to strangers.
    """
    configure(settings)
    os.umask(0o077)  # pictures, results and keys are nobody else's on this machine
    listening = _listen(settings)
    if check_open(settings):
        print("No API key exists: open to everybody on this machine, and to nobody else.", file=sys.stderr)
    app = create_app(settings)
    server = _Server(
        uvicorn.Config(app, http=PatientProtocol, log_config=None, access_log=False, timeout_graceful_shutdown=20)
    )
    # uvicorn raises the signal again once it has ended: that must not kill us before the worker has ended too.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)
    supervisor = server.supervisor = Supervisor(settings) if worker else None
    print(f"orbitview listens on {settings.base_url} (docs at /docs)", file=sys.stderr)
    try:
        server.run(sockets=[listening])
    finally:
        if supervisor:
            supervisor.stop()


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, before anything is started or announced.

    Raises:
        InvalidRequest: something else listens there, or the address is not ours.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, number)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        notice_the_dead(listening)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        raise InvalidRequest(
            f"{settings.host}:{settings.port} is {'in use already' if busy else 'no address to listen on'}.",
            hint="Choose another --port." if busy else "Choose another --host.",
        ) from error
    return listening
