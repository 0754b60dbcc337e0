"""Our own REST, keys, webhooks and recovery, against real server processes."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh
from server_process import Receiver, Server, running, wait_until_ended
from standardwebhooks import Webhook
from test_contract import PICTURE

SMALL = {"image": PICTURE, "size": 48, "width": 128, "height": 192}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("rest"), allow_hosts="127.0.0.1") as server:
        yield server


def test_a_job_is_accepted_and_followed(server: Server) -> None:
    answer = httpx.post(server.url + "/v1/views", json=SMALL | {"formats": ["views"]})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    seen: list[tuple[str, dict[str, Any]]] = []
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job['id']}/events", timeout=60) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in events.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                seen.append((name, json.loads(line[6:])))
    assert seen[-1][0] == "done"
    assert seen[-1][1]["status"] == "success"
    percents = [data["percent"] for name, data in seen if name == "progress"]
    assert percents == sorted(percents)
    done = httpx.get(f"{server.url}/v1/jobs/{job['id']}").json()
    assert done["progress"] == 1
    assert {"grid.png", "view-000.png", "views.json"} <= {f["name"] for f in done["files"]}


def test_prefer_wait_answers_with_the_result(server: Server) -> None:
    answer = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait=30"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "success"


def test_cameras_with_and_without_perspective(server: Server) -> None:
    """Each is told with the numbers that count for it; files for pinholes are left out, or refused by name."""
    flat = {"azimuth": 90, "projection": "orthographic", "scale": 1.1}
    body = SMALL | {"engine": "inflate", "cameras": [flat, {"azimuth": 90}], "formats": ["views"]}
    done = httpx.post(server.url + "/v1/views", json=body, headers={"Prefer": "wait=30"}).json()
    files = {f["name"]: f for f in done["files"]}
    assert files["view-000.png"]["camera"].keys() == {"azimuth", "elevation", "distance", "projection", "scale"}
    assert files["view-000.png"]["camera"]["scale"] == 1.1
    assert files["view-001.png"]["camera"].keys() == {"azimuth", "elevation", "distance", "fov"}
    assert "transforms.json" not in files
    asked = httpx.get(f"{server.url}/v1/jobs/{done['id']}/request").json()
    assert asked["cameras"] == [flat | {"elevation": 0}, {"azimuth": 90, "elevation": 0, "fov": 30}]
    for wrong in (flat | {"projection": "isometric"}, {"azimuth": 0, "scale": 2}, flat | {"scale": 0}):
        refused = httpx.post(server.url + "/v1/views", json=body | {"cameras": [wrong]})
        assert refused.status_code == 422, refused.text
        assert any(name.startswith("cameras") for name in refused.json()["errors"])
    colmap = body | {"formats": ["colmap"]}
    failed = httpx.post(server.url + "/v1/views", json=colmap, headers={"Prefer": "wait=30"}).json()
    assert failed["status"] == "failed"
    assert "orthographic" in failed["error"]["message"]
    assert httpx.post(server.url + "/v1/views", json=SMALL | {"rig": "mvadapter-6"}).status_code == 202


def test_problems(server: Server) -> None:
    wrong = httpx.post(server.url + "/v1/views", json={"width": 1, "rig": 5})
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert {"image", "width", "rig"} <= wrong.json()["errors"].keys()
    for path in ("/v1/jobs/999999", "/v1/jobs/999999/events", "/v1/nothing"):
        missing = httpx.get(server.url + path)
        assert missing.status_code == 404
        assert missing.json()["title"] == "not found"
    assert httpx.post(server.url + "/v1/views", json=SMALL | {"engine": "warp"}).status_code == 422
    assert httpx.put(server.url + "/v1/jobs").status_code == 405


def test_idempotency(server: Server) -> None:
    headers = {"Idempotency-Key": "order-17"}
    first, again = (httpx.post(server.url + "/v1/views", json=SMALL, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"]
    other = httpx.post(server.url + "/v1/views", json=SMALL | {"size": 64}, headers=headers)
    assert other.status_code == 409
    wait_until_ended(server.url, first["id"])


def test_paging(server: Server) -> None:
    for _ in range(3):
        httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait"})
    ids: list[int] = []
    before = None
    while True:
        page = httpx.get(server.url + "/v1/jobs", params={"limit": 2} | ({"before": before} if before else {})).json()
        ids += [job["id"] for job in page["jobs"]]
        before = page["next"]
        if before is None:
            break
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) >= 3


def test_cancel_and_delete(server: Server) -> None:
    slow = SMALL | {"size": 1024, "rig": "orbit-200"}
    running_job, waiting = (httpx.post(server.url + "/v1/views", json=slow).json()["id"] for _ in range(2))
    deadline = time.monotonic() + 120
    while httpx.get(f"{server.url}/v1/jobs/{running_job}").json()["stage"] != "render" and time.monotonic() < deadline:
        time.sleep(0.05)
    for job in (waiting, running_job):
        assert httpx.delete(f"{server.url}/v1/jobs/{job}").status_code == 204
        assert httpx.get(f"{server.url}/v1/jobs/{job}").json()["status"] == "cancelled"
    # The worker is free again at once.
    done = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait"}).json()
    assert done["status"] == "success"
    link = done["files"][0]["url"]
    assert httpx.delete(f"{server.url}/v1/jobs/{done['id']}").status_code == 204
    assert httpx.get(link).status_code == 404
    assert httpx.get(f"{server.url}/v1/jobs/{done['id']}").status_code == 404


def test_files_have_tags_and_ranges(server: Server) -> None:
    done = httpx.post(server.url + "/v1/views", json=SMALL, headers={"Prefer": "wait"}).json()
    link = done["files"][0]["url"]
    whole = httpx.get(link)
    assert "immutable" in whole.headers["cache-control"]
    assert httpx.get(link, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert httpx.get(link, headers={"If-None-Match": "*"}).status_code == 304
    changed = httpx.get(link, headers={"Range": "bytes=10-19", "If-Range": '"of another file"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    part = httpx.get(link, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert httpx.get(link, headers={"Range": "bytes=-5"}).content == whole.content[-5:]
    assert httpx.get(link, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    assert httpx.head(link).headers["content-length"] == str(len(whole.content))
    assert httpx.get(server.url + "/generations/..%2f..%2forbitview.db").status_code == 404


def test_uploads_engines_and_operations(server: Server) -> None:
    import base64

    raw = base64.b64decode(PICTURE)
    for options in (
        {"content": raw, "headers": {"content-type": "image/png"}},
        {"files": {"image": raw}},
        {"json": {"image": PICTURE}},
    ):
        made = httpx.post(server.url + "/v1/images", **options)  # type: ignore[arg-type]
        assert made.status_code == 201
        assert httpx.get(made.json()["url"]).headers["content-type"] == "image/png"
    engines = {e["name"]: e for e in httpx.get(server.url + "/v1/engines").json()}
    assert engines["lift"]["ready"]
    assert httpx.get(server.url + "/healthz").text == httpx.get(server.url + "/readyz").text == "ok"
    metrics = httpx.get(server.url + "/metrics").text
    assert 'orbitview_jobs_total{engine="lift",operation="views",status="success"}' in metrics
    assert "orbitview_run_seconds_bucket" in metrics
    assert 'orbitview_stage_seconds_count{engine="lift",operation="views",stage="render"}' in metrics
    again = httpx.get(server.url + "/metrics").text
    counted = [line for line in metrics.splitlines() if line.startswith("orbitview_run_seconds_count")]
    assert counted == [line for line in again.splitlines() if line.startswith("orbitview_run_seconds_count")]
    paths = httpx.get(server.url + "/openapi.json").json()["paths"]
    assert {"/v1/views", "/v1/jobs/{job_id}/events", "/api/v5/multiview"} <= paths.keys()


def test_large_bodies_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, max_body_mb=1) as server:
        for path in ("/v1/views", "/api/v5/multiview"):
            assert httpx.post(server.url + path, content=b" " * 2**21).status_code == 413


# --- keys ----------------------------------------------------------------------------------------------------


def test_keys_open_and_close_doors(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        one = json.loads(server.cli("keys", "create", "one", "--per-minute", "2"))
        two = json.loads(server.cli("keys", "create", "two"))
        headers = {"Authorization": f"Bearer {one['key']}"}
        assert httpx.get(server.url + "/v1/jobs").status_code == 401
        assert httpx.get(server.url + "/v1/jobs", headers={"X-API-Key": "ov_wrong"}).status_code == 401
        answer = httpx.post(server.url + "/api/v5/multiview", json=SMALL | {"key": "wrong"}).json()
        assert (answer["status"], answer["message"]) == ("error", "Invalid Api Key")
        mine = httpx.post(server.url + "/api/v5/multiview", json=SMALL | {"key": one["key"]}).json()
        assert mine["status"] == "success"
        # Nobody else sees it.
        assert httpx.get(f"{server.url}/v1/jobs/{mine['id']}", headers={"X-API-Key": two["key"]}).status_code == 404
        assert (
            httpx.post(f"{server.url}/api/v3/fetch/{mine['id']}", json={"key": two["key"]}).json()["status"] == "failed"
        )
        assert httpx.get(f"{server.url}/v1/jobs/{mine['id']}", headers=headers).json()["status"] == "success"
        # Two a minute, and no more.
        assert httpx.post(server.url + "/v1/views", json=SMALL, headers=headers).status_code == 202
        limited = httpx.post(server.url + "/v1/views", json=SMALL, headers=headers)
        assert limited.status_code == 429
        assert int(limited.headers["retry-after"]) > 0
        hosted = httpx.post(server.url + "/api/v5/multiview", json=SMALL | {"key": one["key"]}).json()
        assert hosted["message"] == "Rate limit exceeded"
        # A key that only reads sees the other's jobs, and that is all.
        reader = json.loads(server.cli("keys", "create", "board", "--reads", one["id"]))
        look = {"X-API-Key": reader["key"]}
        assert httpx.get(f"{server.url}/v1/jobs/{mine['id']}", headers=look).status_code == 200
        assert httpx.post(server.url + "/v1/views", json=SMALL, headers=look).status_code == 403
        assert httpx.delete(f"{server.url}/v1/jobs/{mine['id']}", headers=look).status_code == 403
        fetched = httpx.post(f"{server.url}/api/v3/fetch/{mine['id']}", json={"key": reader["key"]}).json()
        assert fetched["status"] == "success"
        server.cli("keys", "revoke", one["id"])
        assert httpx.get(server.url + "/v1/jobs", headers=look).status_code == 401
        assert httpx.get(server.url + "/v1/jobs", headers=headers).status_code == 401
        assert one["key"] not in (tmp_path / "orbitview.db").read_bytes().decode("latin1")


def test_no_keys_no_strangers(tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "orbitview.cli", "serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "keys create" in done.stderr


# --- webhooks ------------------------------------------------------------------------------------------------


def test_webhooks_are_signed_retried_and_logged(tmp_path: Path) -> None:
    receiver = Receiver(500)
    with running(tmp_path, allow_hosts="127.0.0.1") as server:
        key = json.loads(server.cli("keys", "create", "hooks"))
        headers = {"X-API-Key": key["key"]}
        body = SMALL | {"key": key["key"], "webhook": receiver.url, "track_id": "order 5 / ü"}
        job = httpx.post(server.url + "/api/v5/multiview", json=body).json()
        receiver.wait(2)
        payloads = [Webhook(key["webhook_secret"]).verify(text, got) for got, text in receiver.got]
        assert payloads[0] == payloads[1]
        assert payloads[0]["track_id"] == "order 5 / ü"
        assert payloads[0]["output"] == job["output"]
        assert len({got["webhook-id"] for got, _ in receiver.got}) == 1
        deadline = time.monotonic() + 60
        while (
            len(log := httpx.get(f"{server.url}/v1/jobs/{job['id']}/webhooks", headers=headers).json()) < 2
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)
        assert [entry["status"] for entry in log] == [500, 200]
        assert httpx.post(f"{server.url}/v1/jobs/{job['id']}/webhooks", headers=headers).status_code == 202
        receiver.wait(3)
        # Failures are told too.
        bad = SMALL | {"key": key["key"], "webhook": receiver.url, "image": "http://10.0.0.1/a.png"}
        httpx.post(server.url + "/api/v5/multiview", json=bad)
        receiver.wait(4)
        assert json.loads(receiver.got[3][1])["status"] == "error"


def test_further_files_of_a_finished_job_need_no_engine(server: Server, tmp_path: Path) -> None:
    from orbitview import Client

    photograph = "data:image/png;base64," + PICTURE

    with Client(server.url) as client:
        first = client.views(photograph, size=48, width=128, height=192, seed=3)
        assert {f["name"] for f in first["files"]} == {"grid.png"}  # the kept object is not for clients
        assert first["meta"]["engine"]
        options = {"object_height": "6cm", "frames": 8, "turntable_size": 48, "frame_name": "{index:03d}"}
        formats = ["stl", "usdz", "frames", "colmap", "views", "grid", "zip"]
        later = client.files(first["id"], formats, output=options)
        names = {f["name"]: f for f in later["files"]}
        assert {"object.stl", "object.usdz", "frames.zip", "colmap.zip", "view-005.png", "views.zip"} <= names.keys()
        assert later["id"] != first["id"]
        assert "lift" not in later["meta"]["stages"]
        solid = trimesh.load(io.BytesIO(client.download(names["object.stl"])), file_type="stl")
        assert solid.extents[2] == pytest.approx(60, rel=1e-3)
        with zipfile.ZipFile(io.BytesIO(client.download(names["frames.zip"]))) as archive:
            assert archive.namelist() == [f"{i:03d}.jpg" for i in range(1, 9)]  # the frames alone
        with zipfile.ZipFile(io.BytesIO(client.download(names["colmap.zip"]))) as archive:
            assert "sparse/0/cameras.txt" in archive.namelist()
        kind = httpx.head(names["object.usdz"]["url"]).headers["content-type"]
        assert kind == "model/vnd.usdz+zip"
        views = client.views(photograph, size=48, width=128, height=192, seed=3, formats=["views"])
        same = next(f for f in views["files"] if f["name"] == "view-003.png")
        assert client.download(same) == client.download(names["view-003.png"])

        url = f"{server.url}/v1/jobs/{first['id']}/files"
        for body, field in (
            ({"formats": []}, "formats"),
            ({"formats": ["fbx"]}, "formats"),
            ({}, "formats"),
            ({"formats": ["stl"], "output": {"object_height": "12"}}, "output"),
            ({"formats": ["stl"], "output": {"hight": "12cm"}}, "output"),
        ):
            refused = httpx.post(url, json=body)
            assert refused.status_code == 422
            assert any(name.startswith(field) for name in refused.json()["errors"]), refused.json()
        assert httpx.post(f"{server.url}/v1/jobs/999999/files", json={"formats": ["stl"]}).status_code == 404
        again = httpx.post(f"{server.url}/v1/jobs/{later['id']}/files", json={"formats": ["stl"]})
        assert again.status_code == 422  # only a job that ran an engine has an object

        kept = list((server.folder / "files" / "scenes").iterdir())
        assert httpx.get(f"{server.url}/scenes/{kept[0].name}").status_code == 404
        client.cancel(first["id"])
        client.cancel(later["id"])
        assert len(list((server.folder / "files" / "scenes").iterdir())) == len(kept) - 1


def test_how_files_are_made_can_be_said_at_once(server: Server) -> None:
    body = SMALL | {"formats": ["frames"], "output": {"frames": 4, "turntable_size": 32, "direction": "clockwise"}}
    done = httpx.post(server.url + "/v1/views", json=body, headers={"Prefer": "wait"}).json()
    link = next(f["url"] for f in done["files"] if f["name"] == "frames.zip")
    with zipfile.ZipFile(io.BytesIO(httpx.get(link).content)) as archive:
        assert len(archive.namelist()) == 4
    wrong = httpx.post(server.url + "/v1/views", json=SMALL | {"output": {"frames": 1}})
    assert wrong.status_code == 422


def test_what_can_be_made_is_listed(server: Server) -> None:
    from orbitview.formats import FORMATS

    listed = httpx.get(server.url + "/v1/formats").json()
    assert [entry["name"] for entry in listed] == list(FORMATS)
    assert next(entry for entry in listed if entry["name"] == "frames")["file"] == "frames/"


def test_several_pictures_of_one_object(server: Server) -> None:
    from orbitview import Client

    several = {name: value for name, value in SMALL.items() if name != "image"} | {"engine": "inflate"}
    images = [{"image": PICTURE}, {"image": PICTURE, "azimuth": 180, "elevation": 0}]
    answer = httpx.post(server.url + "/v1/views", json=several | {"images": images}, headers={"Prefer": "wait"}).json()
    assert answer["status"] == "success", answer["error"]
    assert [about["azimuth"] for about in answer["meta"]["input_camera"]] == [0, 180]
    assert httpx.delete(f"{server.url}/v1/jobs/{answer['id']}").status_code == 204
    with Client(server.url) as client:
        data = "data:image/png;base64," + PICTURE
        job = client.views([data, data], azimuths=[0, 90], **several)
        assert job["meta"]["input_camera"][1]["azimuth"] == 90
    both = httpx.post(server.url + "/v1/views", json=SMALL | {"images": images})
    assert both.status_code == 422
    hosted = {"image": [PICTURE, PICTURE], "engine": "inflate", "width": 128, "height": 192, "prompt": "a toy"}
    old = httpx.post(server.url + "/api/v5/multiview", json=hosted).json()
    assert old["status"] in ("success", "processing"), old
    if old["status"] == "success":
        assert len(old["meta"]["images"]) == 2
