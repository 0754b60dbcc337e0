"""CUDA graphs of a denoising step: at small batches a GPU waits for Python, not Python for the GPU."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

MOST = 8
"""Graphs that are kept: the buckets, with one number of steps or two."""


class Graphs:
    """Recorded steps by key, the longest unused ones giving way; all in one pool of memory.

    They may share the pool because none leaves a result in it: a step's results go into its state. A state is the
    tensors that a step reads and changes where they lie: ``number`` among them, ``key()`` (runs with the same key share
    a graph), ``copy()`` and ``take(other)``.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[Any, torch.cuda.CUDAGraph]] = OrderedDict()
        self._pool: Any = None
        self._broken = False

    def prepare(self, state: Any, step: Callable[[Any], None]) -> tuple[Any, Callable[[], None]] | None:
        """The state to go on with, filled from ``state``, and what does one step on it.

        None where the step cannot be recorded (the log says why); then ``state`` is as it was.
        """
        if self._broken:
            return None
        key = state.key()
        if key not in self._kept:
            begun = state.copy()
            try:
                self._kept[key] = state, self._record(state, step)
            except RuntimeError:
                self._broken = True
                logging.getLogger(__name__).warning("a step cannot be recorded; going on without", exc_info=True)
                return None
            finally:
                state.take(begun)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        kept, graph = self._kept[key]
        if kept is not state:
            kept.take(state)
        return kept, graph.replay

    def _record(self, state: Any, step: Callable[[Any], None]) -> torch.cuda.CUDAGraph:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # whatever is chosen or compiled on the first run is done before recording
            for _ in range(2):
                state.number.zero_()
                step(state)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            step(state)
        return graph

    def clear(self) -> None:
        """Forget all; the memory goes back to torch."""
        self._kept.clear()
        self._broken = False
