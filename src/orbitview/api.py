"""The one function most people need."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from .cameras import DEFAULT_RIG, CameraLike, rig
from .checks import check_numbers, check_options, list_cameras
from .engines import EngineRequest, Feature, OtherPicture, Progress, get_engine, no_progress
from .engines.together import run_one
from .errors import OrbitviewError
from .images import CutOut, ImageInput, Matte, find_cut_out, load_image
from .several import Told, told_pictures
from .views import ViewSet


def generate(
    image: ImageInput | Sequence[ImageInput],
    cameras: str | Sequence[CameraLike] | None = None,
    *,
    engine: str = "auto",
    input_camera: CameraLike | Sequence[CameraLike | float | None] | None = None,
    size: int = 320,
    matte: Matte = "auto",
    seed: int | None = None,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    prompt: str | None = None,
    negative_prompt: str | None = None,
    progress: Progress = no_progress,
    **options: Any,
) -> ViewSet:
    """Turn one picture of an object, or a few, into views of it from other cameras.

    Args:
        image: a path, an http(s) or ``data:`` URL, encoded bytes, an open file, a PIL picture, or an array, see
            :func:`orbitview.images.load_image`. A list of up to eight is taken for pictures of one object from several
            sides; engines that take one picture take the first, and say so in ``meta["ignored"]``.
        cameras: a rig's name (see :data:`orbitview.RIGS`) or cameras, each a
            Camera, ``(azimuth, elevation)`` or a dictionary; by default six views around.
        engine: a name from :func:`orbitview.engine_names`, or ``"auto"`` for the best that is ready here.
        input_camera: what is known of the picture's own camera. With a distance (in bounding-box diagonals
            of the object) the picture is taken as it is; without, the object is framed and the camera
            estimated; its elevation counts in both cases. Azimuths are relative to it. With several pictures a list
            with, for each, a camera, a number (its azimuth, relative to the first picture's), or None: what is
            left out is found by how well outlines and volumes agree.
        size: side of each view in pixels, 32 to 1024.
        matte: ``"auto"``, ``"alpha"`` or ``"none"``, see :func:`orbitview.cut_out`.
        seed: the same seed gives the same views; None draws one and reports it in ``meta``.
        num_inference_steps: denoising steps of a diffusion engine, looks at the picture (one or two) of ``lift``;
            engines without steps name it in ``meta["ignored"]``.
        guidance_scale: strength of the condition, likewise.
        prompt: what is wanted, likewise.
        negative_prompt: what is not wanted, likewise.
        options: the engine's own, such as ``renderer="numpy"`` for the embedded ones, ``symmetry=False`` for
            ``lift``.
        progress: called with the share done and the stage; it may raise :class:`orbitview.Cancelled`.

    Returns:
        The views in the order of the cameras, with ``meta`` telling engine, seed, the input camera used (with
        several pictures a list, each with how ``sure`` a found azimuth is, and ``warnings`` where they disagree),
        ignored parameters, seconds, and how the object was cut out (``by`` the picture's
        alpha or the network, and how many ``objects`` were seen: the main one is taken).

    Examples:
        >>> import numpy as np, orbitview
        >>> ball = np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]) < 0.8
        >>> picture = np.dstack([ball * 200, ball * 40, ball * 30, ball * 255]).astype(np.uint8)
        >>> views = orbitview.generate(picture, [(30, 20), {"azimuth": 120}], size=64, seed=1)
        >>> views
        <ViewSet: 2 views of 64 px, engine lift, seed 1, with geometry>
        >>> views[1].camera.azimuth, views[1].image.size, bool(views[1].camera.position[2] < 0)  # from behind
        (120, (64, 64), True)

    Raises:
        OrbitviewError: InvalidImage, InvalidRequest or EngineUnavailable, each with a hint.
    """
    started = time.perf_counter()
    check_numbers(size, seed, num_inference_steps, guidance_scale)
    told = told_pictures(image, input_camera)
    chosen = get_engine(engine)
    info = chosen.info
    check_options(options, info)
    listed = list_cameras(cameras, info)
    ignored: list[str] = []

    def honour(feature: Feature, value: Any, name: str) -> Any:
        if value in (None, "") or feature in info.features:
            return value
        ignored.append(name)
        return None

    if "cameras" not in info.features and info.rig and listed != rig(info.rig):
        ignored.append("cameras")
        listed = rig(info.rig)
    if len(told) > 1 and "pictures" not in info.features:
        ignored.append("pictures")
        told = told[:1]
    cuts = [_cut_out(one, matte, number if len(told) > 1 else 0) for number, one in enumerate(told, 1)]
    cut = cuts[0]
    request = EngineRequest(
        picture=cut.picture,
        cameras=listed,
        size=size,
        input_camera=honour("input_camera", told[0].camera, "input_camera"),
        seed=secrets.randbelow(2**31) if seed is None else seed,
        steps=honour("steps", num_inference_steps, "num_inference_steps"),
        guidance=honour("guidance", guidance_scale, "guidance_scale"),
        prompt=honour("prompt", prompt, "prompt"),
        negative_prompt=honour("negative_prompt", negative_prompt, "negative_prompt"),
        options=options,
        others=[OtherPicture(c.picture, t.azimuth, t.camera) for c, t in zip(cuts[1:], told[1:], strict=True)],
    )
    honour("seed", seed, "seed")
    views = run_one(chosen, request, progress)
    views.cutout = cut.picture
    views.meta = {
        "engine": info.name,
        "seed": request.seed,
        "cameras": (cameras or info.rig or DEFAULT_RIG) if isinstance(cameras, str | None) else "custom",
        "ignored": ignored,
        "cutout": _about(cut) if len(cuts) == 1 else [_about(one) for one in cuts],
        "seconds": round(time.perf_counter() - started, 3),
    } | views.meta
    return views


def _cut_out(told: Told, matte: Matte, number: int) -> CutOut:
    """A picture's object; of several pictures, an error says which one it is about."""
    try:
        return find_cut_out(load_image(told.image), matte)
    except OrbitviewError as error:
        if not number:
            raise
        raise type(error)(f"Picture {number}: {error.message}", hint=error.hint, field=error.field) from error


def _about(cut: CutOut) -> dict[str, Any]:
    return {"by": cut.by, "objects": cut.objects}
