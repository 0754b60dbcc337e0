"""The SDK's own client over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ROCKET
from PIL import Image
from server_process import running

mcp = pytest.importorskip("mcp", reason="LOUD: the mcp SDK is not installed, the agents' tools are not tested")
from mcp import Client  # noqa: E402
from mcp.client.stdio import StdioServerParameters  # noqa: E402


def stdio(folder: Path, *more: str) -> Any:
    arguments = ["-m", "orbitview.cli", "mcp", "--allow", str(folder), "--out", str(folder / "out"), *more]
    return StdioServerParameters(command=sys.executable, args=arguments)


def check_grid(result: Any) -> None:
    assert not result.is_error, result.content
    image = next(block for block in result.content if block.type == "image")
    assert Image.open(io.BytesIO(base64.b64decode(image.data))).size == (640, 960)


def test_six_views_over_stdio(tmp_path: Path) -> None:
    (tmp_path / "rocket.jpg").write_bytes(ROCKET.read_bytes())

    async def main() -> None:
        begun = time.perf_counter()
        async with Client(stdio(tmp_path)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert time.perf_counter() - begun < 10
            assert set(tools) == {"make_views", "list_engines"}
            assert tools["make_views"].output_schema
            seen: list[float] = []

            async def progress(done: float, total: float | None, message: str | None) -> None:
                seen.append(done)

            result = await client.call_tool(
                "make_views", {"image": "rocket.jpg", "formats": ["glb"], "seed": 3}, progress_callback=progress
            )
            check_grid(result)
            assert len(seen) >= 3
            assert result.structured_content["engine"] == "lift"
            files = {f["name"]: f["path"] for f in result.structured_content["files"]}
            assert Path(files["object.glb"]).read_bytes()[:4] == b"glTF"
            engines = (await client.call_tool("list_engines", {})).structured_content["engines"]
            assert {"lift", "inflate"} <= {engine["name"] for engine in engines}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("nothing.png", "no picture"),
        ("/etc/passwd", "outside"),
        ("../secret.png", "no picture"),
        ("link.png", "no picture"),
        ("http://169.254.169.254/latest/meta-data/", "not public"),
        ("http://localhost:1/a.png", "not public"),
        ("notes.txt", "not"),
    ],
)
def test_bad_pictures_are_tool_errors(tmp_path: Path, image: str, says: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "notes.txt").write_text("no picture at all")

    async def main() -> None:
        async with Client(stdio(inside)) as client:
            result = await client.call_tool("make_views", {"image": image})
            assert result.is_error
            assert says in result.content[0].text

    asyncio.run(main())


def test_several_pictures_of_one_object(tmp_path: Path) -> None:
    from test_pictures import BLUE, RED, ball

    ball(RED).save(tmp_path / "front.png")
    ball(BLUE).save(tmp_path / "back.png")

    async def main() -> None:
        async with Client(stdio(tmp_path)) as client:
            asked = {"image": "front.png", "engine": "inflate", "cameras": [{"azimuth": 180, "elevation": 0}]}
            more = [{"image": "back.png", "azimuth": 180}]
            result = await client.call_tool("make_views", asked | {"more_images": more})
            assert not result.is_error, result.content
            picture = next(block for block in result.content if block.type == "image")
            view = Image.open(io.BytesIO(base64.b64decode(picture.data))).convert("RGB")
            red, _, blue = view.getpixel((view.width // 2, view.height // 2))
            assert blue > red, "the back's own picture"
            wrong = await client.call_tool("make_views", asked | {"more_images": [{"image": "/etc/passwd"}]})
            assert wrong.is_error

    asyncio.run(main())


def test_a_call_can_be_cancelled(tmp_path: Path) -> None:
    (tmp_path / "rocket.jpg").write_bytes(ROCKET.read_bytes())

    async def main() -> None:
        async with Client(stdio(tmp_path)) as client:
            started = asyncio.Event()

            async def progress(*_: object) -> None:
                started.set()

            call = asyncio.create_task(
                client.call_tool(
                    "make_views",
                    {"image": "rocket.jpg", "rig": "orbit-300", "formats": ["turntable"]},
                    progress_callback=progress,
                )
            )
            await asyncio.wait_for(started.wait(), 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            # The server lives on and is soon free again.
            check_grid(await client.call_tool("make_views", {"image": "rocket.jpg"}))

    asyncio.run(main())


def test_over_http_behind_the_servers_keys(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        key = json.loads(server.cli("keys", "create", "agent"))["key"]
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        async def main() -> None:
            async with create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as http:  # noqa: SIM117
                async with Client(streamable_http_client(server.url + "/mcp", http_client=http)) as client:
                    assert {"make_views", "get_job", "cancel_job"} <= {
                        tool.name for tool in (await client.list_tools()).tools
                    }
                    seen: list[float] = []

                    async def progress(done: float, *_: object) -> None:
                        seen.append(done)

                    image = base64.b64encode(ROCKET.read_bytes()).decode()
                    result = await client.call_tool("make_views", {"image": image}, progress_callback=progress)
                    check_grid(result)
                    assert len(seen) >= 3
                    job = result.structured_content["job_id"]
                    assert "success" in (await client.call_tool("get_job", {"job_id": job})).content[0].text
                    assert (await client.call_tool("make_views", {"image": "/etc/passwd"})).is_error

            with pytest.raises(BaseException):  # noqa: B017, PT011 (an exception group of the transport's)
                async with Client(server.url + "/mcp") as stranger:
                    await stranger.list_tools()

        asyncio.run(main())


def test_behind_a_proxy_on_the_same_machine(tmp_path: Path) -> None:
    """The proxy passes the public name on; another name is refused (DNS rebinding)."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
    hello |= {
        "params": {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    }
    accept = {"accept": "application/json, text/event-stream"}
    with running(tmp_path, "--no-worker", public_url="https://views.example") as server:
        found = {
            host: httpx.post(server.url + "/mcp", json=hello, headers=accept | {"host": host}).status_code
            for host in ("views.example", "evil.example")
        }
    assert found == {"views.example": 200, "evil.example": 421}
