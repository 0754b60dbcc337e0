"""An engine in forty lines: the picture as a flat card that turns with the camera."""

import math
from collections.abc import Sequence

from PIL import Image

from orbitview import View, ViewSet
from orbitview.engines import EngineInfo, EngineRequest, Readiness


class CardEngine:
    info = EngineInfo(
        name="card",
        summary="The picture as a flat card.",
        licence="Apache-2.0",
        features=frozenset({"cameras"}),
    )

    def readiness(self) -> Readiness:
        return Readiness(True)  # or Readiness(False, "why not", "what to do")

    def generate(self, requests: Sequence[EngineRequest], progress=lambda share, stage: None) -> list[ViewSet]:
        return [self._one(request, progress) for request in requests]

    def _one(self, request: EngineRequest, progress) -> ViewSet:
        views = []
        for number, camera in enumerate(request.cameras):
            progress(number / len(request.cameras), "turn")
            camera = camera.at(2.0)
            picture = Image.new("RGBA", (request.size, request.size))
            card = request.picture.resize((request.size, request.size))
            width = round(abs(math.cos(math.radians(camera.azimuth))) * request.size)
            if width:
                if math.cos(math.radians(camera.azimuth)) < 0:
                    card = card.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                picture.paste(card.resize((width, request.size)), ((request.size - width) // 2, 0))
            views.append(View(picture, camera))
        return ViewSet(views)
