"""The Python client against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import make_figure
from PIL import Image
from server_process import Server, running

import orbitview
from orbitview.client import AsyncClient, Client, ServerError

SMALL: dict[str, Any] = {"size": 48, "width": 128, "height": 192}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("client"), compatible_wait=0.05) as server:
        yield server


def test_views_with_progress_and_download(server: Server, tmp_path: Path) -> None:
    make_figure().save(tmp_path / "photo.png")
    seen: list[dict[str, Any]] = []
    with orbitview.Client(server.url) as client:
        job = client.views(tmp_path / "photo.png", progress=seen.append, formats=["views", "glb"], **SMALL)
        assert job["status"] == "success"
        assert all("percent" in event for event in seen)
        files = {path.name for path in client.save(job, tmp_path / "out")}
        assert {"grid.png", "view-000.png", "object.glb"} <= files
        assert Image.open(tmp_path / "out" / "grid.png").size == (128, 192)
        assert job["id"] in [other["id"] for other in client.jobs()]
        assert "lift" in [engine["name"] for engine in client.engines()]
        link = client.upload(make_figure())
        again = client.views(link, wait=False, **SMALL)
        assert again["status"] in ("queued", "processing", "success")
        client.cancel(again["id"])


def test_compatible_mode_speaks_the_hosted_api(server: Server) -> None:
    with Client(server.url, "any", compatible=True) as client:
        job = client.views(make_figure(), width=128, height=192)
        assert job["status"] == "success"
        assert client.download(job["files"][0])[:4] == b"\x89PNG"
        with pytest.raises(ServerError, match="width"):
            client.views(make_figure(), width=5000)


def test_errors_are_the_servers_words(server: Server, tmp_path: Path) -> None:
    with Client(server.url) as client:
        with pytest.raises(ServerError) as caught:
            client.views(make_figure(), rig="spiral", **SMALL)
        assert "spiral" in caught.value.message
        assert caught.value.status == 422
        with pytest.raises(ServerError, match="not public"):
            client.views("http://127.0.0.1:9/a.png", **SMALL)
        with pytest.raises(orbitview.InvalidImage):
            client.views(tmp_path / "nothing.png")
        with pytest.raises(ServerError):
            client.job(10**9)


def test_the_async_client(server: Server) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            jobs = await asyncio.gather(*(client.views(make_figure(), seed=i, **SMALL) for i in range(3)))
            assert {job["status"] for job in jobs} == {"success"}
            assert (await client.download(jobs[0]["files"][0]))[:4] == b"\x89PNG"
        async with AsyncClient(server.url, compatible=True) as client:
            assert (await client.views(make_figure(), width=128, height=192))["status"] == "success"

    asyncio.run(main())
