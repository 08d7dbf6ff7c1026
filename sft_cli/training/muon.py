"""Muon for hidden matrices and AdamW for the rest, as one optimizer."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.model.forward import inner_model
from sft_cli.training.optimizers import adam_options, groups_of


def muon(model: Any, settings: Any) -> torch.optim.Optimizer:
    """Muon (Jordan et al. 2024) on hidden matrices, AdamW on other weights; 4 bytes per weight of a hidden matrix."""
    return MuonWithAdamW(model, settings)


class MuonWithAdamW(torch.optim.Optimizer):
    """torch's Muon on matrices that are neither embedding nor head, torch's AdamW on every other weight.

    Muon's update of an (a, b) matrix is scaled by 0.2·√max(a, b) to the size of AdamW's (Liu et al. 2025, eq. 4), so
    one learning rate and one weight decay fit both.
    """

    def __init__(self, model: Any, settings: Any) -> None:
        inner = inner_model(model)
        heads = {inner.get_input_embeddings().weight, getattr(inner.get_output_embeddings(), "weight", None)}
        hidden: list[Any] = []
        others: list[Any] = []
        for group in groups_of(model, settings):
            for weights, groups in (
                ([w for w in group["params"] if group["decays"] and w.ndim == 2 and w not in heads], hidden),
                ([w for w in group["params"] if not group["decays"] or w.ndim != 2 or w in heads], others),
            ):
                if weights:
                    groups.append({**group, "params": weights})
        rate, momentum = settings.peak_learning_rate, 0.95 if settings.momentum is None else settings.momentum
        self.parts: list[Any] = []
        if hidden:
            self.parts.append(torch.optim.Muon(hidden, lr=rate, momentum=momentum, adjust_lr_fn="match_rms_adamw"))
        if others:
            self.parts.append(torch.optim.AdamW(others, lr=rate, fused=True, **adam_options(settings)))
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        # Both parts use the groups and the state of this object: there is one set of rates, and one state to save.
        start = 0
        for part in self.parts:
            end = start + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[start:end], self.state
            start = end

    def load_state_dict(self, state_dict: Any) -> None:
        """Load a saved state."""
        super().load_state_dict(state_dict)
        self._share()

    def step(self, closure: Any = None) -> Any:
        """One step of both."""
        for part in self.parts:
            part.step()
