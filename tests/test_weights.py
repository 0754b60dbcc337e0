"""Weights from a hub on this machine: fetched whole or not at all, and every failure in its own words."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import COMMIT, HubStandIn, files_of

constants = pytest.importorskip("huggingface_hub.constants", reason="LOUD: the hub's client is not installed")

import orbitview  # noqa: E402
from orbitview.engines import weights as weights_module  # noqa: E402
from orbitview.engines.weights import Source, Weights, changed, pull  # noqa: E402

WEIGHTS = Weights(
    name="toy",
    repository="somebody/toy",
    licence="MIT",
    files=("config.json", ("part/model.safetensors", "part/pytorch_model.bin"), ("model.safetensors", "model.ckpt")),
    extras=("special.json",),
)
FILES = {
    "config.json": b'{"a": 1}',
    "special.json": b"{}",
    "README.md": b"# toy",
    "part/model.safetensors": b"safe" * 1000,
    "part/pytorch_model.bin": b"twin" * 1000,
    "model.ckpt": b"ckpt" * 500,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    hub = HubStandIn(dict(FILES))
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)  # between its tries
    yield hub
    hub.close()


def lying(folder: Path) -> set[str]:
    return set(files_of(folder)) if folder.exists() else set()


def test_a_pull_brings_what_loading_needs_and_of_twins_one(hub: HubStandIn) -> None:
    folder = pull(WEIGHTS, accept=True)
    assert lying(folder) == {
        "config.json", "special.json", "part/model.safetensors", "model.ckpt", "orbitview.json"
    }  # fmt: skip
    assert hub.sent["part/pytorch_model.bin"] == hub.sent["README.md"] == 0
    noted = json.loads((folder / "orbitview.json").read_text())
    assert noted["revision"] == COMMIT
    assert noted["licence"] == "MIT"
    assert changed(WEIGHTS) == []
    (folder / "model.ckpt").write_bytes(b"other")
    assert changed(WEIGHTS) == ["model.ckpt"]
    assert [p.name for p in folder.parent.iterdir() if p.is_dir()] == ["toy"]  # nothing is left beside it


def test_a_second_pull_fetches_only_what_changed(hub: HubStandIn) -> None:
    folder = pull(WEIGHTS, accept=True)
    (folder / "model.ckpt").write_bytes(b"spoiled by hand")
    hub.sent.clear()
    pull(WEIGHTS, accept=True)
    assert hub.sent["part/model.safetensors"] == 0
    assert hub.sent["model.ckpt"] == 1
    assert changed(WEIGHTS) == []


@pytest.mark.parametrize("bad", ["model.ckpt", "config.json"])
def test_a_file_that_is_not_what_was_published_is_never_in_use(hub: HubStandIn, bad: str) -> None:
    hub.spoiled[bad] = FILES[bad][:-1] + b"!"
    with pytest.raises(orbitview.EngineUnavailable, match=f"{bad} is not what the hub published"):
        pull(WEIGHTS, accept=True)
    assert not WEIGHTS.folder.exists()
    assert WEIGHTS.missing()
    hub.spoiled.clear()
    pull(WEIGHTS, accept=True)
    assert changed(WEIGHTS) == []
    # And a good folder stays as it is while its successor is bad.
    before = files_of(WEIGHTS.folder)
    hub.files[bad] = FILES[bad] + b" "
    hub.spoiled[bad] = FILES[bad] + b"!"
    with pytest.raises(orbitview.EngineUnavailable, match="still in use"):
        pull(WEIGHTS, accept=True)
    assert files_of(WEIGHTS.folder) == before


def test_the_revision_is_the_engines_own_unless_one_is_named(hub: HubStandIn) -> None:
    pinned = Weights(**{**WEIGHTS.__dict__, "revision": "abcdef"})
    pull(pinned, accept=True)
    pull(pinned, accept=True, revision="v2")
    pull(WEIGHTS, accept=True)
    assert hub.asked == ["abcdef", "v2", COMMIT]


TWO = Weights(
    name="toy",
    repository="somebody/toy",
    licence="MIT",
    files=("model.ckpt",),
    revision="abcdef",
    more=(Source("other/base", "base", ("config.json", ("part/model.safetensors", "part/pytorch_model.bin"))),),
)


def test_files_of_several_repositories_lie_in_folders_of_their_own(hub: HubStandIn) -> None:
    assert TWO.missing() == ["model.ckpt", "base/config.json", "base/part/model.safetensors"]
    folder = pull(TWO, accept=True)
    assert lying(folder) == {"model.ckpt", "base/config.json", "base/part/model.safetensors", "orbitview.json"}
    assert TWO.missing() == changed(TWO) == []
    noted = json.loads((folder / "orbitview.json").read_text())
    assert noted["more"] == [{"repository": "other/base", "revision": COMMIT}]
    assert TWO.bytes() == len(FILES["model.ckpt"]) + len(FILES["part/model.safetensors"])
    # A named revision is the first one's; the other stays where it was noted.
    hub.asked.clear()
    hub.sent.clear()
    pull(TWO, accept=True, revision="v2")
    assert hub.asked == ["v2", COMMIT]
    assert hub.sent["part/model.safetensors"] == hub.sent["model.ckpt"] == 0
    hub.files["part/model.safetensors"] = b"newer" * 1000
    hub.spoiled["part/model.safetensors"] = b"never" * 1000
    with pytest.raises(
        orbitview.EngineUnavailable, match=r"base/part/model\.safetensors is not what the hub published"
    ):
        pull(TWO, accept=True)
    assert changed(TWO) == []


@pytest.mark.parametrize(
    ("status", "words", "hint"),
    [
        (401, "does not let us read somebody/toy", "hf auth login"),
        (403, "does not let us read somebody/toy", "hf auth login"),
        (404, "has no somebody/toy", "copy somebody/toy into"),
        (503, "answered 503", "Run the same command again"),
    ],
)
def test_a_refusal_has_its_own_sentence(hub: HubStandIn, status: int, words: str, hint: str) -> None:
    hub.refuse = status
    with pytest.raises(orbitview.EngineUnavailable) as caught:
        pull(WEIGHTS, accept=True)
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_a_hub_that_is_away(hub: HubStandIn) -> None:
    hub.close()
    with pytest.raises(orbitview.EngineUnavailable, match="cannot be reached"):
        pull(WEIGHTS, accept=True)


def test_a_connection_that_breaks_off_and_comes_back(hub: HubStandIn) -> None:
    hub.drops = 10**6
    with pytest.raises(orbitview.EngineUnavailable, match="broke off") as caught:
        pull(WEIGHTS, accept=True)
    assert "goes on where it stopped" in caught.value.hint
    assert not WEIGHTS.folder.exists()
    hub.drops = 0
    hub.sent.clear()
    pull(WEIGHTS, accept=True)
    assert hub.sent["config.json"] == 0  # it came the first time
    assert changed(WEIGHTS) == []


def test_no_room_is_told_before_anything_is_fetched(hub: HubStandIn) -> None:
    hub.sizes["model.ckpt"] = 10**15
    with pytest.raises(orbitview.EngineUnavailable, match=r"1000000\.0 GB are needed"):
        pull(WEIGHTS, accept=True)
    assert not hub.sent


def test_a_disk_that_fills_up_on_the_way(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("huggingface_hub.file_download._download_to_tmp_and_move", full)
    with pytest.raises(orbitview.EngineUnavailable, match="is full") as caught:
        pull(WEIGHTS, accept=True)
    assert "ORBITVIEW_WEIGHTS_DIR" in caught.value.hint


def test_a_folder_that_cannot_be_made(hub: HubStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path / "file"))
    with pytest.raises(orbitview.EngineUnavailable, match="cannot be written to"):
        pull(WEIGHTS, accept=True)


def test_two_pulls_at_once(hub: HubStandIn) -> None:
    from filelock import FileLock

    WEIGHTS.folder.parent.mkdir(parents=True)
    with (
        FileLock(WEIGHTS.folder.with_name(".toy.lock")),
        pytest.raises(orbitview.EngineUnavailable, match="another process"),
    ):
        pull(WEIGHTS, accept=True)


def test_a_revision_without_a_needed_file(hub: HubStandIn) -> None:
    del hub.files["model.ckpt"]
    with pytest.raises(orbitview.EngineUnavailable, match=r"has no model\.safetensors at that revision"):
        pull(WEIGHTS, accept=True)


def test_a_folder_copied_by_hand_has_nothing_to_compare_with(hub: HubStandIn) -> None:
    for name, data in FILES.items():
        (WEIGHTS.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (WEIGHTS.folder / name).write_bytes(data)
    assert not WEIGHTS.missing()
    for manifest in (None, "{", "[]", '{"files": 3}'):
        if manifest is not None:
            (WEIGHTS.folder / weights_module.MANIFEST).write_text(manifest)
        with pytest.raises(orbitview.EngineUnavailable, match="nothing to compare"):
            changed(WEIGHTS)


def test_by_the_command_line(hub: HubStandIn) -> None:
    """With the client's own switch for another hub; TripoSR, whose revision is pinned."""
    hub.files = {"model.ckpt": b"weights", "config.yaml": b"a: 1"}

    def orbitview_says(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orbitview.cli", "engines", *words],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"HF_ENDPOINT": hub.url},
        )

    unasked = orbitview_says("pull", "triposr")
    assert unasked.returncode
    assert "MIT" in unasked.stderr
    done = orbitview_says("pull", "triposr", "--accept-license")
    assert done.returncode == 0, done.stderr
    assert hub.asked == ["5b521936b01fbe1890f6f9baed0254ab6351c04a"]
    assert "as they were pulled" in orbitview_says("verify", "triposr").stderr
    hub.refuse = 401
    refused = orbitview_says("pull", "triposr", "--accept-license")
    assert refused.returncode
    assert "does not let us read stabilityai/TripoSR (401)" in refused.stderr
    assert "Traceback" not in refused.stderr
