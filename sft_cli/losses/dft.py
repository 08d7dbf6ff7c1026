"""Dynamic fine-tuning."""

from __future__ import annotations

from torch import Tensor

from sft_cli.losses.log_probs import label_log_probs


def dft(logits: Tensor, labels: Tensor) -> Tensor:
    """−p·log p, with the label's probability p as a constant: unlikely labels count less.

    logits (M, V) float; labels (M,) long; (M,) in nats, at most 1/e. No gradient flows through the factor p, so the
    gradient is p times that of cross-entropy. Source: Wu et al. 2025 (arXiv 2508.05629).
    """
    log_p = label_log_probs(logits, labels)
    return -log_p.detach().exp() * log_p
