"""Many pictures at once, in processes side by side."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from .api import generate
from .errors import InvalidRequest, OrbitviewError
from .images import ImageInput
from .views import ViewSet


def generate_many(
    pictures: Iterable[ImageInput], *, workers: int | None = None, **options: Any
) -> Iterator[ViewSet | OrbitviewError]:
    """:func:`orbitview.generate` for many pictures, ``workers`` of them at a time, each in a process of its own.

    Results come in the order of the pictures as soon as they are there, and few are held at once, so that a thousand
    pictures fit in memory. A picture that cannot be used gives its error in its place instead of ending the rest.
    On systems that start processes anew (all, here), a script needs ``if __name__ == "__main__":``.

    Args:
        pictures: what ``generate`` takes; an iterator is read as results are taken.
        workers: processes, 1 to 64; by default one for every two cores, at least one.
        options: those of ``generate``, the same for every picture, without ``progress``.

    Yields:
        A view set for each picture, or the error that it met.

    Raises:
        InvalidRequest: wrong options, before the first picture.
        OrbitviewError: a process died, for want of memory for instance.
    """
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // 2)
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 64:
        raise InvalidRequest(f"Workers must be a whole number from 1 to 64, not {workers!r}.", field="workers")
    if "progress" in options:
        raise InvalidRequest(
            "Progress is not told across processes.", hint="Count the results instead.", field="progress"
        )
    if isinstance(pictures, str | bytes | os.PathLike):
        raise InvalidRequest("Pictures come as a list.", hint="For one picture, call generate.", field="pictures")
    return _run(iter(pictures), workers, options)


def _run(pictures: Iterator[ImageInput], workers: int, options: dict[str, Any]) -> Iterator[ViewSet | OrbitviewError]:
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Forking a process whose libraries run threads may hang it: processes are started anew.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (threads,)) as pool:
        waiting: deque[Future[ViewSet | OrbitviewError]] = deque()
        try:
            for picture in pictures:
                waiting.append(pool.submit(_one, picture, options))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise OrbitviewError(
                "A process died while it made views.",
                hint="Use fewer workers if memory is short; a script needs if __name__ == '__main__'.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    import cv2

    from . import onnx

    onnx.MOST_THREADS = threads
    cv2.setNumThreads(threads)


def _one(picture: ImageInput, options: dict[str, Any]) -> ViewSet | OrbitviewError:
    try:
        return generate(picture, **options)
    except OrbitviewError as error:
        return error
