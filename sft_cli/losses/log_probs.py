"""Log-probabilities of the labels: what losses over a large vocabulary are written in, with a cheap gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def label_log_probs(logits: Tensor, labels: Tensor) -> Tensor:
    """log softmax(logits)[label], (M,) in nats.

    logits (M, V) float; labels (M,) long. Value and gradient equal those of torch.log_softmax and gather; the gradient
    g·(onehot − p) is formed in one buffer instead of three.
    """
    found: Tensor = _LabelLogProbs.apply(logits, labels)
    return found


class _LabelLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        # One softmax instead of a log_softmax and an exp over the vocabulary: the largest probability is at least 1/V,
        # so its logarithm is exact to rounding, and log p_y = x_y − x_max + log p_max cannot underflow.
        probs = torch.softmax(logits, -1)
        ctx.save_for_backward(probs, labels)
        return logits.gather(1, labels[:, None])[:, 0] - logits.amax(-1) + probs.amax(-1).log()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        probs, labels = ctx.saved_tensors
        scale = outputs[0][:, None]
        return (probs * -scale).scatter_add_(1, labels[:, None], scale), None
