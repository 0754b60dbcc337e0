"""A mirrored look at a picture tells of the same cells of space."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from orbitview import Camera
from orbitview.engines.lift.framing import frame
from orbitview.engines.lift.network import LearnedPredictor


def test_a_mirrored_look_at_a_mirrored_picture_is_the_plain_one(
    figure: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sides are turned back, in what is told of the camera too."""
    lopsided = figure.copy()
    lopsided.paste((30, 160, 60, 255), (150, 60, 190, 80))
    predict, camera = LearnedPredictor(threads=1), Camera(0, 15, 1.5, 40)
    plain = predict(frame(lopsided, camera), looks=1)
    monkeypatch.setattr("orbitview.engines.lift.network.LOOKS", (True,))
    turned = predict(frame(ImageOps.mirror(lopsided), camera))
    assert np.abs(turned.logits[..., ::-1] - plain.logits).mean() < 0.02
