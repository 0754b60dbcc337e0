"""A look through a wider, narrower or mirrored window tells of the same cells of space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from orbitview import Camera
from orbitview.engines.lift.framing import frame
from orbitview.engines.lift.frustum import zoomed
from orbitview.engines.lift.guess import estimated_frustum
from orbitview.engines.lift.network import LearnedPredictor


@pytest.mark.parametrize("zoom", [0.955, 1.0, 1.073])
def test_cells_of_another_window_come_to_their_place(zoom: float) -> None:
    window = estimated_frustum(20, 0.3, 0.9)
    other = replace(window, slope=window.slope * zoom)

    def ball(cells: np.ndarray) -> np.ndarray:
        return np.asarray(0.2 - np.linalg.norm(cells - [0.1, 0.05, -0.12], axis=-1), np.float32)

    got = zoomed(ball(other.cell_centres()), zoom, outside=-1.0)
    inside = slice(4, -4)
    assert np.abs(got - ball(window.cell_centres()))[inside, inside, inside].max() < 0.01


@pytest.mark.parametrize("zoom", [0.955, 1.0, 1.073])
def test_a_look_shows_the_picture_as_large_as_its_window_says(figure: Image.Image, zoom: float) -> None:
    framed = frame(figure, None)
    alpha = framed.look(zoom)[..., 3]
    assert alpha.shape == (128, 128)
    assert np.sqrt(alpha.sum()) * zoom == pytest.approx(np.sqrt(framed.look()[..., 3].sum()), rel=0.01)


def test_a_mirrored_look_at_a_mirrored_picture_is_the_plain_one(
    figure: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sides are turned back, in what is told of the camera too."""
    lopsided = figure.copy()
    lopsided.paste((30, 160, 60, 255), (150, 60, 190, 80))
    predict, camera = LearnedPredictor(threads=1), Camera(0, 15, 1.5, 40)
    plain = predict(frame(lopsided, camera), looks=1)
    monkeypatch.setattr("orbitview.engines.lift.network.LOOKS", ((1.0, True),))
    turned = predict(frame(ImageOps.mirror(lopsided), camera))
    assert np.abs(turned.logits[..., ::-1] - plain.logits).mean() < 0.02
