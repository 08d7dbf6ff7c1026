"""Cross-entropy to a label mixed with the uniform distribution."""

from __future__ import annotations

from torch import Tensor

from sft_cli.losses.log_probs import label_log_probs


def label_smoothing(logits: Tensor, labels: Tensor, alpha: float = 0.1) -> Tensor:
    """Cross-entropy to (1−α)·onehot + α/V: the label gets 1−α+α/V, every other token α/V.

    logits (M, V) float; labels (M,) long; (M,) in nats. α=0 is cross-entropy. Equals
    torch.nn.functional.cross_entropy(label_smoothing=α). Source: Szegedy et al. 2015 (arXiv 1512.00567), section 7.
    """
    return -label_log_probs(logits, labels, alpha)
