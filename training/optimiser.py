"""Muon for the decoder's matrices, AdamW for everything else, behind the face of one optimiser."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

HEADS = ("occupancy", "colour", "camera")
"""The layers that answer; the rule for Muon is to leave them to AdamW."""


class Optimiser:
    """Muon (Jordan et al. 2024, step sizes matched to AdamW's as in Liu et al. 2025) and AdamW.

    Args:
        network: its 4-D weights must be in channels-last memory.
        encoder: share of the rate for the parameters of ``network.encoder``, which AdamW has trained already.
    """

    def __init__(self, network: nn.Module, rate: float, encoder: float) -> None:
        self._views: list[tuple[Tensor, Tensor]] = []
        matrices, others, trained = [], [], []
        for name, parameter in network.named_parameters():
            if name.startswith("encoder."):
                trained.append(parameter)
            elif parameter.dim() in (2, 4) and not name.startswith(HEADS):
                matrices.append(self._as_matrix(parameter))
            else:
                others.append(parameter)
        self._muon = torch.optim.Muon(
            [{"params": matrices, "scale": 1.0}], rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )
        self._adam = torch.optim.AdamW(
            [{"params": others, "scale": 1.0}, {"params": trained, "scale": encoder}],
            rate,
            (0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.param_groups = self._muon.param_groups + self._adam.param_groups

    def _as_matrix(self, parameter: Tensor) -> Tensor:
        """The same memory as (outputs, everything else)."""
        data = parameter.data
        view = data if data.dim() == 2 else data.permute(0, 2, 3, 1).flatten(1)
        if view.data_ptr() != data.data_ptr():
            raise ValueError("Muon needs a view of the weights; move the network to channels_last memory first.")
        self._views.append((parameter, view))
        return view

    def zero_grad(self) -> None:
        self._adam.zero_grad()
        for parameter, view in self._views:
            parameter.grad = view.grad = None

    def step(self) -> None:
        for parameter, view in self._views:
            grad = parameter.grad
            view.grad = grad if grad is None or grad.dim() == 2 else grad.permute(0, 2, 3, 1).flatten(1)
        self._muon.step()
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
        self.param_groups = self._muon.param_groups + self._adam.param_groups
