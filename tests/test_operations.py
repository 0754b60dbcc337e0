"""The table of operations: a new kind of work is one file; records of before the table are views."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server_process import Receiver, Server, running, wait_until_ended
from test_documented import PICTURE

import orbitview.operations
from orbitview.operations.registry import operation_of, operations

SIBLING = '''
"""Pictures upside down."""

from __future__ import annotations

from PIL import ImageOps

from orbitview.images import load_image
from orbitview.operations.base import Operation, OwnBody, WorkBody, picture_link
from orbitview.operations.inputs import read_pictures, single_picture
from orbitview.operations.reader import Reader


class FlipBody(WorkBody):
    """A picture to turn upside down."""

    image: str


class FlipRequest(OwnBody):
    """A picture to turn upside down."""

    image: str


class Flips(Operation):
    """The table's entry."""

    name, webhook_type, summary = "flips", "flip", "Turn a picture upside down"
    hosted = {"/api/v5/flip": "v5"}
    body, own, model = FlipBody, "/flips", FlipRequest

    def read(self, body, storage, dialect):
        reader = Reader(body)
        entries = single_picture(reader)
        reader.done()
        places, pictures = read_pictures(entries, storage)
        return {"engine": "flip", "seed": 0} | places, pictures

    def run(self, request, pictures, desk):
        desk.progress(0.5, "flip")
        ImageOps.flip(load_image(pictures[0])).save(desk.work / "flipped.png")
        desk.keep("flipped.png", desk.work / "flipped.png", f"generations/{desk.prefix}.png")
        return {}

    def outputs(self, request, prefix):
        return [f"generations/{prefix}.png"]

    def meta(self, request, made, prefix, storage):
        return {"image": picture_link(request["image"], storage)}


OPERATION = Flips()
'''


@pytest.fixture(scope="module")
def sibling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose package has one more file among its operations."""
    folder = tmp_path_factory.mktemp("more")
    (folder / "flips.py").write_text(SIBLING)
    # Python's own hook, so that server and worker find the file beside the others without a copy of the package.
    (folder / "sitecustomize.py").write_text(
        f"import orbitview.operations\norbitview.operations.__path__.append({str(folder)!r})\n"
    )
    data = tmp_path_factory.mktemp("data")
    server = Server(data, allow_hosts="127.0.0.1")
    server.environment["PYTHONPATH"] = str(folder)
    try:
        yield server.start()
    finally:
        server.stop()


def test_the_table_is_what_lies_in_the_folder() -> None:
    folder = Path(orbitview.operations.__file__).parent
    files = [path for path in folder.glob("*.py") if "\nOPERATION = " in path.read_text()]
    assert len(files) == len(operations())
    for name, operation in operations().items():
        assert operation_of(name) is operation
        assert operation.hosted or operation.own
    paths = [path for operation in operations().values() for path in operation.hosted]
    assert len(paths) == len(set(paths))


def test_the_next_sibling_is_one_file(sibling: Server) -> None:
    """Routes, documentation, queue, webhook, metrics, files and deletion, for a file that is only there."""
    receiver = Receiver()
    made = httpx.post(sibling.url + "/api/v5/flip", json={"image": PICTURE, "webhook": receiver.url}).json()
    assert made["status"] == "success"
    assert httpx.get(made["output"][0]).status_code == 200
    receiver.wait(1)
    assert '"webhook_type":"flip"' in receiver.got[0][1]
    paths = httpx.get(sibling.url + "/openapi.json").json()["paths"]
    assert {"/api/v5/flip", "/v1/flips"} <= paths.keys()
    job = httpx.post(sibling.url + "/v1/flips", json={"image": PICTURE}, headers={"Prefer": "wait"}).json()
    assert (job["operation"], job["status"], job["files"][0]["name"]) == ("flips", "success", "flipped.png")
    assert 'operation="flips"' in httpx.get(sibling.url + "/metrics").text
    httpx.delete(f"{sibling.url}/v1/jobs/{job['id']}")
    assert httpx.get(job["files"][0]["url"]).status_code == 404


def test_the_same_idempotency_key_for_another_operation_is_a_conflict(sibling: Server) -> None:
    headers = {"Idempotency-Key": "one"}
    first, again = (
        httpx.post(sibling.url + "/v1/cutouts", json={"image": PICTURE}, headers=headers).json() for _ in range(2)
    )
    assert first["id"] == again["id"]
    other = httpx.post(sibling.url + "/v1/upscales", json={"image": PICTURE}, headers=headers)
    assert other.status_code == 409


def test_a_waiting_sibling_can_be_cancelled(tmp_path: Path) -> None:
    with running(tmp_path, "--no-worker") as server:
        job = httpx.post(server.url + "/v1/upscales", json={"image": PICTURE, "scale": 4}).json()
        assert (job["status"], job["operation"]) == ("queued", "upscales")
        assert httpx.delete(f"{server.url}/v1/jobs/{job['id']}").status_code == 204
        assert wait_until_ended(server.url, job["id"])["status"] == "cancelled"


def test_records_of_before_the_table_are_views(tmp_path: Path) -> None:
    """A database that an earlier version made is added to where it lies."""
    small = {"image": PICTURE, "size": 64, "width": 128, "height": 192}
    with running(tmp_path) as server:
        before = httpx.post(server.url + "/api/v5/multiview", json=small).json()
    with sqlite3.connect(tmp_path / "orbitview.db") as database:
        database.execute("ALTER TABLE orbitview_jobs DROP COLUMN operation")
    database.close()
    with running(tmp_path) as server:
        url = f"{server.url}/v1/jobs/{before['id']}"
        assert httpx.get(url).json()["operation"] == "views"
        after = httpx.post(server.url + "/api/v5/multiview", json=small).json()
        assert after["status"] == "success"


def test_an_expired_gif_goes_with_its_job(tmp_path: Path) -> None:
    turn = {"image": PICTURE, "engine": "inflate", "frame_size": 128, "seconds": 1}
    with running(tmp_path, retention_days=1e-6) as server:
        made = httpx.post(server.url + "/api/v3/img_to_3d", json=turn).json()
        assert made["status"] == "success"
        code = "from orbitview.config import load_settings; from orbitview.jobs.queue import JobQueue; "
        code += "from orbitview.jobs.worker import clean; s = load_settings(); q = JobQueue(s); print(clean(q, s))"
        time.sleep(0.2)
        subprocess.run([sys.executable, "-c", code], env=server.environment, check=True, timeout=60)
        assert httpx.get(made["output"][0]).status_code == 404
        assert not list((tmp_path / "files").rglob("*.gif"))
