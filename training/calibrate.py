"""Batch norms of averaged weights."""

from __future__ import annotations

import torch

from .network import LiftNetwork
from .shards import Shards


@torch.no_grad()
def calibrate(network: LiftNetwork, shards: Shards, size: int = 16, batches: int = 24) -> None:
    """Measure the batch norms' statistics anew: those of averaged weights are nobody's average."""
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for _, batch in zip(range(batches), shards.batches(size, seed=0), strict=False):
        network(batch.picture, batch.hint)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()
