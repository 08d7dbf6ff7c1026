"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor

from sft_cli.losses.log_probs import label_log_probs


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−log softmax(logits)[label] of each target, (M,) in nats.

    logits (M, V) float; labels (M,) long. Equals torch.nn.functional.cross_entropy(reduction="none").
    """
    return -label_log_probs(logits, labels)
