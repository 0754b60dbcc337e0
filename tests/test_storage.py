"""Local folder and a real S3-speaking server under the same tests."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orbitview.config import Settings
from orbitview.storage import Storage


@contextlib.contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """The settings of an empty bucket on a server of its own; credentials go into the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(endpoint + "/bucket", method="PUT"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("REGION", "us-east-1")):
            patch.setenv("AWS_" + name, value)
        yield {"storage_url": "s3://bucket/views", "s3_endpoint": endpoint}
    server.stop()


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "local":
        yield Storage(Settings(data_dir=tmp_path))
        return
    with s3_server() as settings:
        yield Storage(Settings(data_dir=tmp_path, **settings))


def test_files_come_back(storage: Storage, tmp_path: Path) -> None:
    storage.put("generations/a.png", b"one")
    storage.put("generations/a/b.glb", b"two")
    (tmp_path / "c.webp").write_bytes(b"three")
    storage.put("generations/c.webp", tmp_path / "c.webp")
    found = storage.get("generations/a.png")
    assert found is not None
    assert (found.data, found.kind) == (b"one", "image/png")
    assert storage.get("generations/nothing.png") is None
    assert storage.get("../../etc/passwd") is None
    storage.delete(["generations/a.png", "generations/nothing.png"])
    assert storage.get("generations/a.png") is None
    assert storage.get("generations/a/b.glb") is not None


def test_links(storage: Storage) -> None:
    storage.put("generations/a.png", b"one")
    link = storage.link("generations/a.png")
    if storage.local:
        assert link == "http://127.0.0.1:8000/generations/a.png"
        assert storage.own_key(link) == "generations/a.png"
        assert storage.own_key("http://127.0.0.1:8000/v1/jobs") is None
    else:
        assert httpx.get(link).content == b"one"
