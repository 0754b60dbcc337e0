"""The matte network: how likely each pixel of a photograph belongs to the object.

It is U²-Net's small form (Qin et al. 2020, "U²-Net: Going Deeper with Nested U-Structure for Salient Object
Detection") with its authors' weights (Apache-2.0).
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..onnx import open_session

Floats = NDArray[np.float32]
WEIGHTS = Path(str(resources.files("orbitview.images") / "weights" / "matte.onnx"))
SIDE = 320
"""Side of the square that the network looks at."""
MEAN, SPREAD = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
"""Of ImageNet's colours: what it expects to be taken off and divided by."""


@cache
def _session() -> Any:
    return open_session(WEIGHTS)


def likelihood(rgb: NDArray[np.uint8]) -> Floats | None:
    """(H, W) in [0, 1], the least likely pixel 0 and the likeliest 1; None without weights.

    The whole picture is squeezed into the network's square, as its authors do. A second, closer look at what the
    first one found was measured on composites and gave nothing.
    """
    if not WEIGHTS.is_file():
        return None
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    ready = ((small / max(1.0, float(small.max())) - MEAN) / SPREAD).transpose(2, 0, 1)[None]
    logits = _session().run(None, {"photograph": np.ascontiguousarray(ready, np.float32)})[0][0, 0]
    found = cv2.resize(1 / (1 + np.exp(-logits)), (width, height), interpolation=cv2.INTER_LINEAR)
    least, most = float(found.min()), float(found.max())
    # Where nothing stands out there is nothing to stretch.
    return np.asarray((found - least) / (most - least) if most > 0.3 else found, np.float32)
