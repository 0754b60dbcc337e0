"""Many pictures at once, side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .api import generate
from .errors import InvalidRequest, OrbitviewError
from .images import ImageInput
from .views import ViewSet


def generate_many(
    pictures: Iterable[ImageInput], *, workers: int | None = None, **options: Any
) -> Iterator[ViewSet | OrbitviewError]:
    """:func:`orbitview.generate` for many pictures, ``workers`` of them at a time.

    Results come in the order of the pictures as soon as they are there, and few are held at once, so that a thousand
    pictures fit in memory. A picture that cannot be used gives its error in its place instead of ending the rest.

    The workers are threads: the network, the ray caster and the picture library let go of Python's lock while they
    compute, which gives as much as processes do (``bench.many``). For several machines start
    ``orbitview serve``, or pass results, which can be pickled, through a queue of your own.

    Args:
        pictures: what ``generate`` takes; an iterator is read as results are taken.
        workers: 1 to 64; by default one for each core, four at most.
        options: those of ``generate``, the same for every picture.

    Yields:
        A view set for each picture, or the error that it met.

    Raises:
        InvalidRequest: wrong pictures or workers, before the first picture.
    """
    if workers is None:
        workers = min(4, os.cpu_count() or 1)
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 64:
        raise InvalidRequest(f"Workers must be a whole number from 1 to 64, not {workers!r}.", field="workers")
    if isinstance(pictures, str | bytes | os.PathLike) or not isinstance(pictures, Iterable):
        raise InvalidRequest("Pictures come as a list.", hint="For one picture, call generate.", field="pictures")
    return _run(iter(pictures), workers, options)


def _run(pictures: Iterator[ImageInput], workers: int, options: dict[str, Any]) -> Iterator[ViewSet | OrbitviewError]:
    waiting: deque[Future[ViewSet | OrbitviewError]] = deque()
    with ThreadPoolExecutor(workers, "orbitview") as pool:
        try:
            for picture in pictures:
                waiting.append(pool.submit(_one, picture, options))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one(picture: ImageInput, options: dict[str, Any]) -> ViewSet | OrbitviewError:
    try:
        return generate(picture, **options)
    except OrbitviewError as error:
        return error
