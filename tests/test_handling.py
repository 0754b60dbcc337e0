"""What can be done with a job besides looking at it: stop, its request again, its further files, many as one zip."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import make_figure
from server_process import Server, running, wait_until_ended

from orbitview.config import Settings
from orbitview.jobs.produce import produce
from orbitview.operations.registry import operation_of
from orbitview.storage import Storage


def picture(size: int = 96) -> str:
    buffer = io.BytesIO()
    make_figure(size).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("handling")) as server:
        yield server


@pytest.fixture(scope="module")
def keys(server: Server) -> list[dict[str, str]]:
    """Headers of two keys, and of one that only reads the first one's jobs."""
    told = [server.cli("keys", "create", name) for name in ("one", "two")]
    number = re.search(r"key_\w+", server.cli("keys", "list"))
    assert number
    told.append(server.cli("keys", "create", "reader", "--reads", number[0]))
    return [{"Authorization": "Bearer " + re.search(r"ov_[\w-]+", text)[0]} for text in told]  # type: ignore[index]


@pytest.fixture(scope="module")
def http(server: Server, keys: list[dict[str, str]]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=keys[0], timeout=90) as client:
        yield client


def make(http: httpx.Client, **body: object) -> dict[str, object]:
    body = {"engine": "inflate", "size": 64} | ({} if "images" in body else {"image": picture()}) | body
    answer = http.post("/v1/views", json=body)
    assert answer.status_code == 202, answer.text
    return wait_until_ended(str(http.base_url).rstrip("/"), answer.json()["id"], headers=dict(http.headers))


def test_a_request_makes_the_same_job_again(http: httpx.Client) -> None:
    """With its pictures, cameras and options, of one picture and of several; each answer is a body as it is taken."""
    asked = {"cameras": [{"azimuth": 40, "elevation": 10, "fov": 30}], "background": "grey", "elevation": 5, "seed": 7}
    first = make(http, **asked, output={"turntable_size": 64})
    body = http.get(f"/v1/jobs/{first['id']}/request").json()
    assert {name: body[name] for name in asked} == asked
    assert body["output"]["turntable_size"] == 64
    again = make(http, **body)
    assert again["status"] == "success"
    assert http.get(f"/v1/jobs/{again['id']}/request").json() == body
    several = make(http, images=[{"image": picture(), "azimuth": 90}, {"image": picture(80), "azimuth": 270}])
    body = http.get(f"/v1/jobs/{several['id']}/request").json()
    assert [entry.get("azimuth") for entry in body["images"]] == [None, 180]
    assert make(http, **body)["status"] == "success"


def test_files_are_shown_only_once_the_object_is_kept(tmp_path: Path) -> None:
    """Else a job that is stopped at that moment would have no object to make more of."""
    shown: list[list[str]] = []
    operation, storage = operation_of("views"), Storage(Settings(data_dir=tmp_path))
    body = {"image": picture(), "engine": "inflate", "size": 64, "formats": ["glb"]}
    request, pictures = operation.read(body, storage, "own")
    ended: list[set[str]] = []
    assert produce(
        operation,
        request,
        [data for data in pictures if data],
        "prefix",
        storage,
        lambda share, stage: True,
        lambda made: shown.append([file["name"] for file in made if storage.get(file["key"])]),
        lambda made, _: ended.append({file["name"] for file in made}) or True,
        60,
    )
    assert shown
    assert all("scene" in names for names in shown)
    assert ended == [{"grid.png", "scene", "object.glb"}]
    assert storage.get("scenes/prefix.scene")


@pytest.mark.parametrize("path", ["cutouts", "images", "3d", "turns"])
def test_the_picture_of_any_job_can_be_had_for_views(http: httpx.Client, path: str) -> None:
    """Also of what was asked of the siblings."""
    roads = {
        "cutouts": ("/v1/cutouts", {"image": picture()}),
        "images": ("/api/v3/super_resolution", {"url": picture(), "scale": 2, "model_id": "orbitview"}),
        "3d": ("/api/v6/3d/image_to_3d", {"image": picture(), "engine": "inflate"}),
        "turns": ("/api/v3/img_to_3d", {"image": picture(), "engine": "inflate"}),
    }
    road, body = roads[path]
    made = http.post(road, json=body).json()
    asked = http.get(f"/v1/jobs/{made['id']}/request")
    assert asked.status_code == 200, asked.text
    assert make(http, **asked.json())["status"] == "success"


def test_stopping_what_has_ended_changes_nothing(http: httpx.Client) -> None:
    job = make(http)
    assert http.post(f"/v1/jobs/{job['id']}/stop").json() == http.get(f"/v1/jobs/{job['id']}").json() == job


def test_an_archive_has_a_folder_for_each_job(http: httpx.Client) -> None:
    jobs = [make(http, formats=["cutout"])["id"] for _ in range(2)]
    answer = http.get("/v1/archive", params={"jobs": f"{jobs[0]},{jobs[1]},{jobs[0]}"})
    assert answer.headers["content-type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert sorted(names) == sorted(f"job-{job}/{file}" for job in jobs for file in ("grid.png", "cutout.png"))


@pytest.mark.parametrize(("jobs", "status"), [("", 422), ("a", 422), ("1,,2", 422), ("²", 422), ("999999", 404)])
def test_archives_of_nothing(http: httpx.Client, jobs: str, status: int) -> None:
    answer = http.get("/v1/archive", params={"jobs": jobs})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_other_keys_and_readers(http: httpx.Client, keys: list[dict[str, str]]) -> None:
    """Another key sees nothing of it; one that only reads may look and not stop."""
    job = make(http)["id"]
    _, other, reader = keys
    looks = [f"/v1/jobs/{job}/request", f"/v1/jobs/{job}/files", f"/v1/archive?jobs={job}"]
    assert [http.get(path, headers=other).status_code for path in looks] == [404, 404, 404]
    assert [http.get(path, headers=reader).status_code for path in looks] == [200, 200, 200]
    assert http.post(f"/v1/jobs/{job}/stop", headers=other).status_code == 404
    assert http.post(f"/v1/jobs/{job}/stop", headers=reader).status_code == 403
    assert http.get(looks[0], headers={"Authorization": "Bearer no"}).status_code == 401
