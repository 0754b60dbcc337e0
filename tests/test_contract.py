"""The hosted contract against a real server: every row of it, with real clients."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import make_figure
from PIL import Image
from server_process import Server, running, wait_until_ended


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("contract"), proxy_url="http://proxy.example/files") as server:
        yield server


def picture() -> str:
    buffer = io.BytesIO()
    make_figure(160).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE = picture()


def post(server: Server, path: str, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = httpx.post(server.url + path, json=body, timeout=60, **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_documented_answer(server: Server) -> None:
    body = {
        "key": "",
        "prompt": "make multiple images",
        "negative_prompt": None,
        "image": PICTURE,
        "width": "640",
        "height": "960",
        "num_inference_steps": "50",
        "guidance_scale": 4,
        "seed": 12345,
        "temp": "no",
        "webhook": None,
        "track_id": None,
    }
    answer = post(server, "/api/v5/multiview", body)
    assert answer["status"] == "success"
    assert isinstance(answer["id"], int)
    assert answer["generationTime"] > 0
    assert [link.rpartition("/")[2] for link in answer["proxy_links"]] == [f"{answer['meta']['file_prefix']}.png"]
    assert answer["future_links"] == answer["output"]
    meta = answer["meta"]
    expected = {
        "guidance_scale": 4,
        "height": 960,
        "num_inference_steps": 50,
        "outdir": "out",
        "prompt": "make multiple images",
        "seed": 12345,
        "temp": "no",
        "width": 640,
    }
    assert expected.items() <= meta.items()
    (link,) = answer["output"]
    assert link.endswith(meta["file_prefix"] + ".png")
    grid = Image.open(io.BytesIO(httpx.get(link).content))
    assert grid.size == (640, 960)
    assert httpx.get(meta["image"]).content == base64.b64decode(PICTURE)


def test_same_seed_same_bytes_and_null_seed_is_reported(server: Server) -> None:
    first, second = (
        post(server, "/api/v5/multiview", {"image": PICTURE, "seed": "7", "width": 128, "height": 192})
        for _ in range(2)
    )
    assert httpx.get(first["output"][0]).content == httpx.get(second["output"][0]).content
    drawn = post(server, "/api/v5/multiview", {"image": PICTURE, "seed": "", "width": 128, "height": 192})
    assert isinstance(drawn["meta"]["seed"], int)


def test_loose_types(server: Server) -> None:
    for yes in ("yes", True, "true", 1, "1"):
        answer = post(
            server, "/api/v5/multiview", {"image": PICTURE, "width": "128", "height": 192.0, "temp": yes, "prompt": ""}
        )
        assert answer["proxy_links"][0].startswith("http://proxy.example/files/generations/")
        assert answer["meta"]["temp"] == "yes"
    answer = post(server, "/api/v5/multiview", {"image": PICTURE, "width": "128", "height": 192, "base64": "yes"})
    assert Image.open(io.BytesIO(base64.b64decode(answer["output"][0]))).size == (128, 192)


@pytest.mark.parametrize("path", ["/api/v6/image_editing/multiview", "/api/v6/images/multiview"])
def test_aliases(server: Server, path: str) -> None:
    assert post(server, path, {"image": PICTURE, "width": 128, "height": 192})["status"] == "success"


def test_forms_and_uploads(server: Server) -> None:
    fields = {"width": "128", "height": "192", "seed": "3"}
    sent = httpx.post(
        server.url + "/api/v5/multiview", data=fields | {"image": "data:image/png;base64," + PICTURE}
    ).json()
    assert sent["status"] == "success"
    part = httpx.post(
        server.url + "/api/v5/multiview", data=fields, files={"image": ("a.png", base64.b64decode(PICTURE))}
    ).json()
    assert part["status"] == "success"
    assert httpx.get(sent["output"][0]).content == httpx.get(part["output"][0]).content


def test_extra_formats_are_listed_with_their_cameras(server: Server) -> None:
    body = {
        "image": PICTURE,
        "width": 256,
        "height": 384,
        "rig": "zero123plus-v1.1",
        "formats": ["views", "glb", "zip"],
        "transparent": "yes",
    }
    answer = post(server, "/api/v5/multiview", body)
    files = {f["name"]: f for f in answer["views"]}
    assert {
        "grid.png",
        "view-000.png",
        "view-005.png",
        "depth-003.png",
        "object.glb",
        "views.zip",
        "transforms.json",
    } <= files.keys()
    assert files["view-001.png"]["camera"]["elevation"] == -20
    glb = httpx.get(files["object.glb"]["url"])
    assert glb.headers["content-type"] == "model/gltf-binary"
    assert glb.content[:4] == b"glTF"
    assert Image.open(io.BytesIO(httpx.get(answer["output"][0]).content)).mode == "RGBA"


def test_all_wrong_fields_at_once(server: Server) -> None:
    body = {
        "width": "wide",
        "height": 2000,
        "num_inference_steps": 51,
        "guidance_scale": 0,
        "seed": -2,
        "temp": "perhaps",
        "engine": "warp",
        "background": "plaid",
        "formats": ["hologram"],
        "cameras": [{"azimuth": "left"}],
        "elevation": 99,
    }
    answer = post(server, "/api/v5/multiview", body)
    assert answer["status"] == "error"
    assert set(answer["message"]) == set(body) | {"image"}
    assert answer["message"]["image"] == ["The image field is required."]


@pytest.mark.parametrize(
    "image", ["", "not base64!", "data:image/png,abc", base64.b64encode(b"<svg/>").decode(), 7, ["x"]]
)
def test_pictures_that_are_none(server: Server, image: object) -> None:
    answer = post(server, "/api/v5/multiview", {"image": image})
    assert answer["status"] == "error"
    assert "image" in answer["message"]


def test_bodies_that_are_none(server: Server) -> None:
    for content in (b"{", b"[1]", b'"x"', b"\xff\xfe", b"[" * 100000):
        answer = httpx.post(
            server.url + "/api/v5/multiview", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 200
        assert answer.json()["status"] == "error"


def test_private_addresses_end_as_an_error(server: Server) -> None:
    answer = post(server, "/api/v5/multiview", {"image": server.url + "/healthz"})
    assert answer["status"] == "error"
    assert "not public" in answer["message"]


def test_upload_use_and_delete(server: Server) -> None:
    stored = post(
        server, "/api/v3/base64_crop", {"key": "", "image": "data:image/png;base64," + PICTURE, "crop": "false"}
    )
    assert (stored["status"], stored["messege"]) == ("success", "image uploaded")
    assert (
        post(server, "/api/v5/multiview", {"image": stored["link"], "width": 128, "height": 192})["status"] == "success"
    )
    gone = post(server, "/api/v3/delete_image", {"request_id": stored["request_id"]})
    assert gone == {"status": "success", "messege": "image deleted", "message": "image deleted"}
    assert httpx.get(stored["link"]).status_code == 404
    assert post(server, "/api/v3/delete_image", {"request_id": stored["request_id"]})["status"] == "error"


def test_load_and_details(server: Server) -> None:
    assert post(server, "/api/v3/system_load", {"key": ""}) == {"queue_num": 0, "queue_time": 0, "status": "ok"}
    assert post(server, "/api/v1/enterprise/system_details", {"key": ""})["status"] == "ok"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that answers "processing" at once."""
    with running(tmp_path_factory.mktemp("impatient"), compatible_wait=0) as server:
        yield server


def test_processing_and_every_fetch_path(impatient: Server) -> None:
    answer = post(impatient, "/api/v5/multiview", {"image": PICTURE, "width": 128, "height": 192, "seed": 1})
    assert answer["status"] == "processing"
    assert answer["output"] == []
    assert answer["messege"] == answer["message"] == "Try to fetch request after seconds estimated"
    assert isinstance(answer["eta"], int)
    assert answer["fetch_result"] == f"{impatient.url}/api/v3/fetch/{answer['id']}"
    wait_until_ended(impatient.url, answer["id"])
    for path in (
        "/api/v3/fetch/",
        "/api/v3/dreambooth/fetch/",
        "/api/v4/dreambooth/fetch/",
        "/api/v6/image_editing/fetch/",
        "/api/v6/images/fetch/",
    ):
        done = post(impatient, f"{path}{answer['id']}", {"key": ""})
        assert done["status"] == "success"
        assert done["output"] == answer["future_links"]
        assert httpx.get(f"{impatient.url}{path}{answer['id']}").json()["status"] == "success"
    assert post(impatient, "/api/v3/fetch/999999", {"key": ""})["status"] == "failed"
    assert post(impatient, "/api/v3/fetch/none", {"key": ""})["status"] == "failed"


def test_the_modelslab_client_unmodified(server: Server) -> None:
    modelslab = pytest.importorskip("modelslab")
    client = modelslab.ModelsLab()
    client.image_editing.route = server.url + "/api/v6/image_editing"
    answer = json.loads(
        client.image_editing.multiview("", "data:image/png;base64," + PICTURE, "a bird", width=320, height=480)
    )
    assert answer["status"] == "success"
    assert Image.open(io.BytesIO(httpx.get(answer["output"][0]).content)).size == (320, 480)


@pytest.mark.filterwarnings("ignore")
def test_the_modelslab_py_fetch_loop(impatient: Server) -> None:
    pytest.importorskip("modelslab_py")
    from modelslab_py.core.apis.image_editing import Image_editing
    from modelslab_py.core.client import Client

    client = Client(api_key="any", fetch_retry=200, fetch_timeout=0.1)
    client.base_url = impatient.url + "/api/"
    api = Image_editing(client=client)
    sent = client.post(api.base_url + "multiview", data={"image": PICTURE, "width": 128, "height": 192})
    assert sent["status"] == "processing"
    done = api.fetch(str(sent["id"]))
    assert done["status"] == "success"
    assert httpx.get(done["output"][0]).status_code == 200


def test_real_status_codes_by_setting(tmp_path: Path) -> None:
    with running(tmp_path, real_status="true") as server:
        assert httpx.post(server.url + "/api/v5/multiview", json={}).status_code == 422
        assert httpx.post(server.url + "/api/v3/fetch/77", json={}).status_code == 404


@pytest.mark.parametrize("path", ["//api/v5/multiview", "/api/v5/multiview/", "/api//v5//multiview//"])
def test_slashes_too_many_are_answered(server: Server, path: str) -> None:
    answer = httpx.post(server.url + path, json={"image": 7})
    assert (answer.status_code, answer.json()["status"]) == (200, "error")
    assert "image" in answer.json()["message"]


def test_links_and_misspellings_are_always_there(server: Server) -> None:
    done = httpx.post(server.url + "/api/v5/multiview", json={"image": PICTURE, "seed": -1}).json()
    assert done["meta"]["seed"] >= 0
    other = httpx.post(server.url + "/api/v5/multiview", json={"image": PICTURE, "seed": "null"}).json()
    assert other["status"] == "success"
    for path in ("/api/v6/images/fetch", "/api/v6/3d/fetch", "/api/v1/enterprise/fetch"):
        assert httpx.post(server.url + path, json={"request_id": done["id"]}).json()["output"] == done["output"]
    for path in ("/api/v6/3d/fetch", "/api/v1/enterprise/fetch", "/api/v1/enterprise/3d/fetch"):
        assert httpx.post(f"{server.url}{path}/{done['id']}", json={}).json()["output"] == done["output"]
    for path, body in (
        ("/api/v5/multiview", {}),
        ("/api/v1/enterprise/multiview", {"image": "x"}),
        ("/api/v3/fetch/999999", {}),
        ("/api/v6/images/fetch", {}),
    ):
        wrong = httpx.post(server.url + path, json=body).json()
        assert wrong["messege"] == wrong["message"]
