"""Entropy-adaptive fine-tuning."""

from __future__ import annotations

import torch
from torch import Tensor

from sft_cli.losses.log_probs import label_log_probs

TOP = 20  # tokens of the entropy
SCALE = 3.0  # nats; the largest entropy of 20 tokens is ln 20 = 2.996


def eaft(logits: Tensor, labels: Tensor) -> Tensor:
    """−H/3·log p, with the entropy H of the 20 most likely tokens as a constant: confident targets count less.

    logits (M, V) float; labels (M,) long; (M,) in nats. H is in nats, of the softmax over only these 20 (over V if V is
    smaller). No gradient flows through it. Source: Diao et al. 2026 (arXiv 2601.02151), with H and its scale as in
    LLaMA-Factory's train/trainer_utils.py (`eaft_alpha` = 1).
    """
    with torch.no_grad():
        log_top = logits.topk(min(TOP, logits.shape[-1]), dim=-1).values.log_softmax(-1)
        entropy = torch.special.entr(log_top.exp()).sum(-1)
    return -(entropy / SCALE) * label_log_probs(logits, labels)
