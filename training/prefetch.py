"""Batches made ahead: on a GPU, by a thread with a stream of its own, while the network learns from the last one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from dataclasses import fields

import torch
from torch import Tensor

from .sampler import Batch, Sampler


def prefetched(sampler: Sampler, device: torch.device, ahead: int = 2) -> Generator[Batch, None, None]:
    """Endless batches of a sampler; close the generator to end its thread.

    Raises:
        BaseException: what went wrong in the thread, where the next batch is asked for.
    """
    if device.type != "cuda":
        while True:
            yield sampler.draw()
    made: queue.Queue[tuple[Batch, torch.cuda.Event] | BaseException] = queue.Queue(ahead)
    stream, ended = torch.cuda.Stream(device), threading.Event()

    def work() -> None:
        try:
            with torch.cuda.stream(stream):
                while not ended.is_set():
                    batch = sampler.draw()
                    made.put((batch, stream.record_event()))
        except BaseException as error:
            made.put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            found = made.get()
            if isinstance(found, BaseException):
                raise found
            batch, ready = found
            current = torch.cuda.current_stream(device)
            current.wait_event(ready)
            for field in fields(batch):
                value = getattr(batch, field.name)
                assert isinstance(value, Tensor)
                value.record_stream(current)
            yield batch
    finally:
        ended.set()
        while thread.is_alive():
            try:
                made.get(timeout=0.1)
            except queue.Empty:
                continue
