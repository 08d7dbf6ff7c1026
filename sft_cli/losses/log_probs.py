"""Log-probabilities of the labels, the basis of the losses, with a cheap gradient for large vocabularies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def label_log_probs(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Σ q·log softmax(logits) with q = (1−α)·onehot + α/V, α the smoothing: log p of the label at α = 0. (M,) in nats.

    logits (M, V) float; labels (M,) long. Value and gradient equal those of torch.log_softmax, gather and mean; the
    gradient g·(q − p) is computed in one buffer instead of three.
    """
    log_probs: Tensor = _LabelLogProbs.apply(logits, labels, smoothing)
    return log_probs


class _LabelLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        # One softmax instead of a log_softmax and an exp over the vocabulary: the largest probability is at least 1/V,
        # so its logarithm is exact to rounding, and log p_y = x_y − x_max + log p_max cannot underflow.
        probs = torch.softmax(logits, -1)
        ctx.save_for_backward(probs, labels)
        ctx.smoothing = smoothing
        chosen = logits.gather(1, labels[:, None])[:, 0]
        if smoothing != 0:  # Σ q = 1, so that Σ q·log p = Σ q·x − x_max + log p_max
            chosen = (1.0 - smoothing) * chosen + smoothing * logits.mean(-1)
        return chosen - logits.amax(-1) + probs.amax(-1).log()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None, None]:
        probs, labels = ctx.saved_tensors
        scale = outputs[0][:, None]
        gradient = probs * -scale
        if ctx.smoothing != 0:
            gradient += ctx.smoothing / probs.shape[-1] * scale
        return gradient.scatter_add_(1, labels[:, None], (1.0 - ctx.smoothing) * scale), None, None
