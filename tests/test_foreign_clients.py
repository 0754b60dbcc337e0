"""Clients of the hosted service against our server, unmodified but for the host; and the shapes of typed ones."""

from __future__ import annotations

import base64
import http.client
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from conftest import make_figure
from PIL import Image
from pydantic import BaseModel, ConfigDict
from server_process import Server, running, wait_until_ended


def picture(size: int = 160, alpha: bool = True) -> str:
    buffer = io.BytesIO()
    make_figure(size, alpha).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


PICTURE, PAPER, SMALL = picture(), picture(alpha=False), picture(24)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("clients")) as server:
        yield server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Answers "processing" at once."""
    with running(tmp_path_factory.mktemp("impatient"), compatible_wait=0) as server:
        yield server


def opened(link: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(link).content))


# modelslab 0.2: text in, text out, JSON booleans


@pytest.fixture
def modelslab(server: Server) -> Any:
    package = pytest.importorskip("modelslab", reason="LOUD: modelslab is not installed")
    client = package.ModelsLab()
    client.image_editing.route = server.url + "/api/v1/image_editing"
    client.text_to_3d.base_url = client.miscs.base_url = server.url + "/api/v3"
    client.ep_image_edit.base_url = server.url + "/api/v1/enterprise/image_editing"
    return client


def test_modelslab_pictures(modelslab: Any) -> None:
    editing = modelslab.image_editing
    views = json.loads(editing.multiview("", PICTURE, "a bird", width=320, height=480))
    assert opened(views["output"][0]).size == (320, 480)
    cut = json.loads(editing.removebg("", PAPER, only_mask=True))
    assert opened(cut["output"][0]).mode == "L"
    large = json.loads(editing.super_resolution("", SMALL, scale=2))
    assert opened(large["output"][0]).size == (48, 48)
    assert json.loads(editing.fetch("", large["id"]))["output"] == large["output"]
    refused = json.loads(editing.outpaint("", PICTURE, "a wide street"))
    assert "not offered" in refused["message"]


def test_modelslab_object_that_turns(modelslab: Any) -> None:
    made = json.loads(modelslab.text_to_3d.img_to_3d("", PICTURE, 15, 64, 128, 1, 1, "no", 2))
    assert opened(made["output"][0]).format == "GIF"
    assert type(made["generationTime"]) is int


def test_modelslab_uploads_and_rented_servers(modelslab: Any) -> None:
    stored = json.loads(modelslab.miscs.base64_crop("", PICTURE, "false"))
    assert opened(stored["link"]).size == (160, 160)
    assert json.loads(modelslab.miscs.delete_image("", stored["request_id"]))["status"] == "success"
    rented = modelslab.ep_image_edit
    cut = json.loads(rented.removebg_mask("", 1, PAPER))
    assert json.loads(rented.fetched_queue("", cut["id"]))["output"] == cut["output"]
    views = json.loads(rented.multi_view("", 1, PICTURE, "a bird", 128, 192, 50, 4))
    assert views["status"] == "success"
    for call in (rented.restart_server, rented.system_details, rented.update_server, rented.clear_cache):
        assert json.loads(call(""))["status"] == "ok"


# modelslab-py 0.2.3, the official one: anything but status 200 raises, its fetch loop ends on success alone


def official(server: Server, enterprise: bool = False) -> tuple[Any, Any]:
    pytest.importorskip("modelslab_py", reason="LOUD: modelslab-py is not installed")
    from modelslab_py.core.apis.image_editing import Image_editing
    from modelslab_py.core.apis.three_d import Three_D
    from modelslab_py.core.client import Client

    client = Client(api_key="any", fetch_retry=300, fetch_timeout=0.1)
    client.base_url = server.url + "/api/"
    return Image_editing(client=client, enterprise=enterprise), Three_D(client=client, enterprise=enterprise)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("enterprise", [False, True])
def test_modelslab_py_calls_and_fetches(impatient: Server, enterprise: bool) -> None:
    editing, solid = official(impatient, enterprise)
    from modelslab_py.schemas.image_editing import BackgroundRemoverSchema, SuperResolutionSchema
    from modelslab_py.schemas.threed import Image23D

    started = {
        "removed": (editing, editing.background_remover(BackgroundRemoverSchema(image=PAPER, inverse_mask=True))),
        "enlarged": (editing, editing.super_resolution(SuperResolutionSchema(init_image=SMALL))),
        "meshed": (
            solid,
            solid.image_to_3d(Image23D(image=PICTURE, output_format="stl", mesh_simplify=0.98, seed=0, temp="no")),
        ),
    }
    for name, (api, answer) in started.items():
        assert answer["status"] == "processing", name
        assert answer["output"] == []
        done = api.fetch(str(answer["id"]))
        assert done["status"] == "success"
        assert done["output"] == answer["future_links"]
        assert httpx.get(done["output"][0]).status_code == 200
    assert opened(editing.fetch(str(started["enlarged"][1]["id"]))["output"][0]).size == (96, 96)  # its default is ×4


@pytest.mark.filterwarnings("ignore")
def test_modelslab_py_on_a_rented_server(server: Server) -> None:
    for api in official(server, enterprise=True):
        for call in (api.system_details, api.restart, api.update, api.clear_cache, api.clear_queue):
            assert call()["status"] == "ok"


def test_clear_queue_cancels_what_waits(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("waiting"), "--no-worker", compatible_wait=0) as server:
        asked = {"image": PAPER}
        ids = [
            httpx.post(f"{server.url}/api/v1/enterprise/image_editing/removebg_mask", json=asked).json()["id"]
            for _ in range(2)
        ]
        told = httpx.post(server.url + "/api/v1/enterprise/image_editing/clear_queue", json={"key": ""}).json()
        assert told["message"].endswith("2")
        assert all(wait_until_ended(server.url, job)["status"] == "cancelled" for job in ids)


# SDAPI 0.0.1: everything in the query, an empty body, a header "key"


class Connection(http.client.HTTPConnection):
    """Leads to our server whatever host is named."""

    ours = ""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__(self.ours)


def test_sdapi_hears_that_text_is_not_drawn_here(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sdapi = pytest.importorskip("StableDiffusionAPI.StableDiffusionAPI", reason="LOUD: SDAPI is not installed")
    monkeypatch.setattr(Connection, "ours", urlsplit(server.url).netloc)
    monkeypatch.setattr(http.client, "HTTPSConnection", Connection)
    with pytest.raises(KeyError):  # it knows pictures and "processing", no refusals
        sdapi.StableDiffusionAPI("a chair", 512, 512, 1, "out.png")
    assert "text2img is not offered here" in capsys.readouterr().out


def test_the_way_in_which_sdapi_asks(impatient: Server) -> None:
    """Its requests, for views: the query, then the whole address as the target of a POST without a body."""
    link = httpx.post(impatient.url + "/api/v3/base64_crop", json={"image": PICTURE}).json()["link"]
    query = urlencode({"image": link, "width": "128", "height": "192"})
    connection = http.client.HTTPConnection(urlsplit(impatient.url).netloc)
    connection.request("POST", f"/api/v5/multiview?{query}", "", {"key": "XXXXXXXXXX"})
    asked = json.loads(connection.getresponse().read())
    assert not asked["output"]
    assert type(asked["eta"]) is int
    connection.close()
    wait_until_ended(impatient.url, asked["id"])
    connection.request("POST", asked["fetch_result"], "", {"key": "XXXXXXXXXX"})
    done = json.loads(connection.getresponse().read())
    assert opened(done["output"][0]).size == (128, 192)


def test_a_key_in_the_header_of_that_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("keys")) as server:
        key = json.loads(server.cli("keys", "create", "old"))["key"]
        asked = {"image": SMALL, "scale": 2}
        assert httpx.post(server.url + "/api/v3/super_resolution", json=asked).json()["message"] == "Invalid Api Key"
        for where in ({"headers": {"key": key}}, {"headers": {"Authorization": f"Bearer {key}"}}):
            answer = httpx.post(server.url + "/api/v3/super_resolution", json=asked, timeout=60, **where).json()
            assert answer["status"] == "success"


# clients that cannot be run here: their types, read strictly, and what they do with an answer


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class GoLoad(Strict):
    queue_num: int
    queue_time: int
    status: str


class GoEnlarged(Strict):
    status: str
    id: int
    output: str


class GoTurned(Strict):
    status: str
    generationTime: int  # noqa: N815
    id: int
    output: list[str]
    meta: dict[str, Any]


class GoProcessing(Strict):
    status: str
    tip: str
    eta: int
    messege: str
    fetch_result: str
    id: int
    output: list[str]


class GoProcessingEnlarged(GoProcessing):
    output: str  # type: ignore[assignment]


def test_typed_clients(server: Server, impatient: Server) -> None:
    def post(host: Server, path: str, **body: Any) -> Any:
        return httpx.post(host.url + path, json=body).json()

    GoLoad.model_validate(post(server, "/api/v3/system_load", key=""))
    for path in ("/api/v3/super_resolution", "/api/v5/super_resolution"):
        GoEnlarged.model_validate(post(server, path, url=SMALL, scale=2))
        waiting = post(impatient, path, url=SMALL, scale=2)
        GoProcessingEnlarged.model_validate(waiting)
        wait_until_ended(impatient.url, waiting["id"])
        GoEnlarged.model_validate(post(impatient, f"/api/v3/fetch/{waiting['id']}"))
    turn = {"image": PICTURE, "frame_size": 128, "seconds": 1, "engine": "inflate"}
    GoTurned.model_validate(post(server, "/api/v3/img_to_3d", **turn))
    GoProcessing.model_validate(post(impatient, "/api/v3/img_to_3d", **turn))
    GoProcessing.model_validate(post(impatient, "/api/v5/multiview", image=PICTURE, width=128, height=192))


def test_no_code_platforms_and_agents(impatient: Server) -> None:
    """activepieces: seed -1, yes and no, polls, reads ``messege`` alone; agno: ``future_links``, and a whole eta."""
    asked = {"key": "", "image": PICTURE, "seed": -1, "safety_checker": "yes", "frame_size": 128, "seconds": 1}
    answer = httpx.post(impatient.url + "/api/v3/img_to_3d", json=asked | {"engine": "inflate"}).json()
    assert [link for link in answer["future_links"] if link.endswith(".gif")]
    assert isinstance(answer["eta"], int)
    wait_until_ended(impatient.url, answer["id"])
    done = httpx.post(f"{impatient.url}/api/v3/fetch/{answer['id']}", json={"key": ""}).json()
    assert done["output"] == answer["future_links"] == done["future_links"]
    assert done["meta"]["safetychecker"] == "yes"
    wrong = httpx.post(impatient.url + "/api/v3/img_to_3d", json={"frame_size": "large"}).json()
    assert wrong["messege"] == wrong["message"]


def test_the_javascript_client_by_hand(impatient: Server) -> None:
    """A Bearer header and the key in the body; it ends only on ``success``."""
    headers = {"Authorization": "Bearer any"}
    body = {"key": "any", "init_image": PAPER, "only_mask": False}
    answer = httpx.post(impatient.url + "/api/v6/image_editing/removebg_mask", json=body, headers=headers).json()
    wait_until_ended(impatient.url, answer["id"])
    done = httpx.post(f"{impatient.url}/api/v6/image_editing/fetch/{answer['id']}", json={"key": "any"}).json()
    assert done["status"] == "success"
