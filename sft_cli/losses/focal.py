"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from sft_cli.losses.log_probs import label_log_probs


def focal(logits: Tensor, labels: Tensor, gamma: float = 2.0) -> Tensor:
    """−(1−p)^γ·log p, with p the label's probability: labels that the model already knows count less.

    logits (M, V) float; labels (M,) long; (M,) in nats. γ=0 is cross-entropy. Value and gradient are finite at p=1 for
    every γ ≥ 0. Source: Lin et al. 2017 (arXiv 1708.02002), eq. 4, without its class weight α.
    """
    log_p = label_log_probs(logits, labels)
    # At p = 1 the slope of the power is infinite for γ < 1; times log p = 0 it is not a number. The floor prevents
    # this.
    miss = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
    return -(miss**gamma) * log_p
