"""An object for pictures that have none: views of an engine without geometry, fused by ``lift`` as several pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from .cameras import Camera
from .errors import InvalidRequest
from .images.limits import MOST_PICTURES
from .progress import Progress, no_progress
from .views import ViewSet

ENGINE = "lift"
LEAST = 0.005
"""Share of a view that its object must fill to be of use."""


def lift_views(views: ViewSet, progress: Progress = no_progress) -> ViewSet:
    """The same views with an object behind them, so that they have a turntable, meshes and any further camera.

    The picture that the engine was given comes first, as seen from azimuth 0 at an elevation that ``lift`` finds; the
    views stand where their cameras say. What they contradict each other in is averaged or left aside, so the object's
    own renderings are close to the views, not equal to them.

    Args:
        views: of an engine without geometry; others are handed back as they are.

    Returns:
        Views with a ``scene``; ``meta["object"]`` tells what made it and how the pictures were placed.

    Raises:
        InvalidRequest: the cut-out of the picture is not there.
    """
    if views.scene is not None:
        return views
    if views.cutout is None:
        raise InvalidRequest("These views do not know the picture that they were made of.", hint="Make them again.")
    from .api import generate

    chosen = [view for view in views if _filled(view.image)][: MOST_PICTURES - 1]
    told = [None, *(_told(view.camera) for view in chosen)]
    pictures = [views.cutout, *(view.image for view in chosen)]
    seed = views.meta.get("seed")
    made = generate(pictures, [Camera()], engine=ENGINE, input_camera=told, size=32, seed=seed, progress=progress)
    about: dict[str, Any] = {"engine": ENGINE, "pictures": made.meta["input_camera"]}
    meta = views.meta | {"object": about}
    if found := made.meta.get("warnings"):
        meta["warnings"] = [*views.meta.get("warnings", []), *found]
    return replace(views, meta=meta, scene=made.scene)


def _told(camera: Camera) -> Camera:
    """What ``lift`` may know of a view's camera: of parallel rays only where they come from."""
    return Camera(camera.azimuth, camera.elevation) if camera.orthographic else camera


def _filled(picture: Image.Image) -> bool:
    return float((np.asarray(picture.convert("RGBA"))[..., 3] > 127).mean()) > LEAST
