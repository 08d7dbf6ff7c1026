"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Σ w·(−log softmax(logits)[label]), a scalar in nats.

    logits (M, V) float; labels (M,) long; weights (M,). Divide by Σ w for the mean.
    Equals torch.nn.functional.cross_entropy(reduction="sum") for weights of 1.
    """
    return (functional.cross_entropy(logits, labels, reduction="none") * weights).sum()
