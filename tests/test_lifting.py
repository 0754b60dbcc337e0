"""Pictures of an engine without geometry get an object: by Python, the command line and a server."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import iou, make_figure
from PIL import Image
from server_process import running, wait_until_ended
from test_contract import PICTURE

import orbitview
from orbitview import Camera, View, ViewSet

PLUGIN = """
from orbitview import Camera, View, ViewSet, generate, rig
from orbitview.engines import EngineInfo, Readiness

class Painter:
    '''Six pictures as a diffusion engine gives them: what they show is right, and there is no object.'''
    info = EngineInfo("painter", "Paints.", "none", frozenset({"seed"}), rig="zero123plus-v1.2")
    def readiness(self):
        return Readiness(True)
    def generate(self, requests, progress=lambda share, stage: None):
        made = [generate(r.picture, rig("zero123plus-v1.2"), engine="inflate", size=128) for r in requests]
        return [ViewSet(list(views)) for views in made]
"""


@pytest.fixture
def painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without geometry, installed as a plug-in for processes that are started."""
    about = tmp_path / "plugin" / "painter-1.dist-info"
    about.mkdir(parents=True)
    (about.parent / "painter_engine.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: painter\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[orbitview.engines]\npainter = painter_engine:Painter\n")
    monkeypatch.setenv("PYTHONPATH", f"{about.parent}:{os.environ.get('PYTHONPATH', '')}")


def pictures_only(views: ViewSet) -> ViewSet:
    return ViewSet(list(views), meta={"seed": 1}, cutout=views.cutout)


@pytest.mark.parametrize("rig", ["zero123plus-v1.2", "mvadapter-6"])
def test_pictures_get_the_object_that_they_show(rig: str) -> None:
    """Its outline from where no picture was taken, and colours that only the pictures of the back can tell."""
    true = orbitview.generate(make_figure(), rig, engine="inflate", size=192, input_camera=Camera(0, 10))
    pictures = pictures_only(true)
    for number, view in enumerate(pictures):
        if np.cos(np.radians(view.camera.azimuth)) < -0.3:
            alpha = view.image.getchannel("A")
            green = Image.new("RGBA", view.image.size, (20, 200, 40, 255))
            green.putalpha(alpha)
            pictures.views[number] = View(green, view.camera)
    lifted = orbitview.lift_views(pictures)
    assert list(lifted) == list(pictures)
    assert [about["used"] for about in lifted.meta["object"]["pictures"][1:]].count(True) >= 5
    for azimuth in (75, 200, 300):
        found, wanted = (v.scene.render(Camera(azimuth, 10), 96).image for v in (lifted, true))
        assert iou(*(np.asarray(p)[..., 3] > 127 for p in (found, wanted))) > 0.75
    back = np.asarray(lifted.scene.render(Camera(180, 5), 96).image, np.float32)
    colour = back[back[..., 3] > 200][:, :3].mean(0)
    assert colour[1] > colour[0] + 60
    assert lifted.mesh is not None
    assert len(lifted.mesh.faces) > 500


def test_what_has_an_object_keeps_it_and_what_knows_no_picture_is_refused() -> None:
    views = orbitview.generate(make_figure(), [Camera()], engine="inflate", size=32)
    assert orbitview.lift_views(views) is views
    with pytest.raises(orbitview.InvalidRequest) as refused:
        orbitview.lift_views(ViewSet(list(views)))
    assert "picture" in str(refused.value)


@pytest.mark.usefixtures("painter")
def test_turntables_and_meshes_of_pictures_through_a_server(tmp_path: Path) -> None:
    with running(tmp_path, compatible_wait=0) as server:
        body = {"image": PICTURE, "engine": "painter", "formats": ["turntable-gif", "glb"]}
        body["output"] = {"turntable_size": 64}
        answer = httpx.post(server.url + "/v1/views", json=body)
        assert answer.status_code == 202, answer.text
        job = wait_until_ended(server.url, answer.json()["id"], 200)
        assert job["status"] == "success", job
        assert {"grid.png", "turntable.gif", "object.glb"} <= {file["name"] for file in job["files"]}  # type: ignore[attr-defined]
        assert job["meta"]["object"]["engine"] == "lift"  # type: ignore[index]
        assert "lift" in job["meta"]["stages"], "its progress is told"  # type: ignore[index]
        more = httpx.post(f"{server.url}/v1/jobs/{job['id']}/files", json={"formats": ["stl"]})
        assert more.status_code == 202, more.text
        assert wait_until_ended(server.url, more.json()["id"], 200)["status"] == "success"
