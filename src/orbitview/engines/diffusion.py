"""What diffusion engines have in common: grey behind pictures, batches of like requests, numbers that are possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..errors import InvalidImage, InvalidRequest
from ..progress import Progress

if TYPE_CHECKING:
    from ..views import ViewSet
    from .base import EngineRequest


def over_grey(picture: Image.Image) -> Image.Image:
    """RGB over the mid grey that these models take for nothing."""
    flat = Image.new("RGBA", picture.size, (127, 127, 127, 255))
    flat.alpha_composite(picture.convert("RGBA"))
    return flat.convert("RGB")


def without_grey(tile: Image.Image, options: dict[str, Any]) -> Image.Image:
    """The tile with its grey removed, or as it is where the caller wants the grey (``keep_grey=True``)."""
    from ..images import find_cut_out  # brings ONNX Runtime, which denoising does without

    if options.get("keep_grey"):
        return tile.convert("RGBA")
    try:
        return find_cut_out(tile).picture
    except InvalidImage:
        return tile.convert("RGBA")


def check_numbers(steps: object, guidance: object) -> None:
    """Raises InvalidRequest: steps that are no whole number above 0, or a guidance that is no number."""
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise InvalidRequest(f"Steps are a whole number above 0, not {steps!r}.", field="num_inference_steps")
    if not isinstance(guidance, int | float) or not math.isfinite(guidance):
        raise InvalidRequest(f"The guidance scale is a number, not {guidance!r}.", field="guidance_scale")


def in_batches(
    requests: Sequence[EngineRequest],
    key: Callable[[EngineRequest], Hashable],
    sizes: Sequence[int],
    make: Callable[[list[EngineRequest], Progress], list[ViewSet]],
    progress: Progress,
) -> list[ViewSet]:
    """Run those with the same ``key`` together, in batches of the ``sizes`` (largest first, down to 1).

    Results are in the requests' order. Sizes are a few, so that what is compiled and recorded for one is used again.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(key(request), []).append(index)
    results: dict[int, ViewSet] = {}
    for members in groups.values():
        for some in _buckets(members, sizes):

            def told(share: float, stage: str, done: int = len(results), count: int = len(some)) -> None:
                progress((done + share * count) / len(requests), stage)

            results.update(zip(some, make([requests[i] for i in some], told), strict=True))
    return [results[index] for index in range(len(requests))]


def _buckets(members: list[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Split into the largest that fit."""
    while members:
        size = next(size for size in sizes if size <= len(members))
        yield members[:size]
        members = members[size:]
