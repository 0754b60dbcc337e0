"""A real PostgreSQL server in a folder of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from server_process import free_port


def _program(name: str) -> str | None:
    """Debian keeps the server's programs off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


class Database(str):
    """The URL of a database whose server can be stopped and started."""

    stop: Callable[[], None]
    start: Callable[[], None]


@contextlib.contextmanager
def postgres() -> Iterator[Database]:
    """URL of an empty database; skips, loudly, on a machine without PostgreSQL."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("LOUD: PostgreSQL is not installed, the fleet is not tested (apt-get install postgresql)")
    as_user: list[str] = []
    # Not pytest's own folders: only their owner may enter those.
    folder = Path(tempfile.mkdtemp(prefix="orbitview-pg-"))
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    port, data = free_port(), folder / "data"

    def run(*command: str) -> None:
        done = subprocess.run([*as_user, *command], cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        run(initdb, "-D", str(data), "-U", "orbit", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        start = partial(run, pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        start()
        try:
            database = Database(f"postgresql://orbit@127.0.0.1:{port}/postgres")
            database.start, database.stop = start, partial(run, pg_ctl, "-D", str(data), "-m", "immediate", "stop")
            yield database
        finally:
            run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
