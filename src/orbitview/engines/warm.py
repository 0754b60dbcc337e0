"""Models that stay loaded between jobs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .devices import free_unused, memory_for_models


class WarmModels:
    """Models that stay loaded, the longest unused ones giving way when memory runs out.

    They give way before a new one is loaded, by the size of its files, so that memory never holds both; other models
    can be had while one is loading.
    """

    def __init__(self, budget: Callable[[], float]) -> None:
        self._budget, self._lock = budget, threading.Lock()
        self._kept: OrderedDict[object, tuple[Any, float]] = OrderedDict()
        self._coming: dict[object, float] = {}
        self._turns: dict[object, threading.Lock] = {}

    def get(
        self, key: object, load: Callable[[], Any], size: Callable[[Any], float], expected: Callable[[], float] = float
    ) -> Any:
        """The model of that key, loaded by ``load`` where it is not warm.

        Args:
            size: tells a loaded model's bytes.
            expected: about how many bytes it will take, by its files.
        """
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:  # who wants the same model waits for it
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key][0]
                self._coming[key] = expected()
                self._make_room()
            try:
                model = load()
            finally:
                with self._lock:
                    del self._coming[key]
            with self._lock:
                self._kept[key] = (model, size(model))
                self._make_room(but=key)
            return model

    def _make_room(self, but: object = None) -> None:
        """Let go of the longest unused ones until what is kept and what is coming fits."""
        for key in list(self._kept):
            if sum(s for _, s in self._kept.values()) + sum(self._coming.values()) <= self._budget():
                return
            if key != but:
                del self._kept[key]
                free_unused()

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            free_unused()


WARM = WarmModels(memory_for_models)
"""The process's models."""
