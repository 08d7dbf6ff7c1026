"""Optimizers by name: `(model, settings) -> torch.optim.Optimizer` over the weights that train."""

from __future__ import annotations

from typing import Any

import torch

from sft_cli.run.registry import Table
from sft_cli.training.settings import TrainSettings

OPTIMIZERS = Table("optimizer", {"adamw": "sft_cli.training.optimizers:adamw"})


def adamw(model: Any, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), fused; decay on matrices alone."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.peak_learning_rate, fused=True)
