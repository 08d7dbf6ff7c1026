"""The output head on target positions only, in chunks, its gradient formed in the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

CHUNK = 512  # target positions at a time: 512 × 49 152 float32 logits are 100 MB

LossOfChunk = Callable[[Tensor, slice], Tensor]


def chunked_loss(hidden: Tensor, weight: Tensor, loss_of_chunk: LossOfChunk, chunk: int = CHUNK) -> Tensor:
    """The sum of `loss_of_chunk(logits, rows)` over chunks of target positions, without keeping any logits.

    hidden (M, d): the body's output at positions that predict a target. weight (V, d): the output embedding, tied or
    not. `loss_of_chunk` gets logits (m, V), float32 or wider, and the slice of M that they belong to; it gives a scalar
    sum. Matrix products run in autocast's number format if it is on; the gradient of `weight` is summed in float32.
    """
    if len(hidden) == 0:
        return hidden.sum() * 0.0
    device = hidden.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    # Inside Function.forward grad mode is always off, so it is read here; evaluation must not pay for gradients.
    return _ChunkedLoss.apply(hidden, weight, loss_of_chunk, chunk, compute, torch.is_grad_enabled())


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, loss: LossOfChunk, chunk: int, compute: torch.dtype, wants_grad: bool
    ) -> Tensor:
        needs_hidden, needs_weight = (needed and wants_grad for needed in ctx.needs_input_grad[:2])
        total = torch.zeros((), dtype=torch.float64)
        with torch.autocast(hidden.device.type, enabled=False):
            states, matrix = hidden.detach().to(compute), weight.detach().to(compute)
            grad_hidden = torch.empty_like(hidden) if needs_hidden else None
            widest = torch.promote_types(weight.dtype, torch.float32)
            grad_weight = torch.zeros_like(weight, dtype=widest) if needs_weight else None
            for start in range(0, len(states), chunk):
                rows = slice(start, min(start + chunk, len(states)))
                logits = states[rows] @ matrix.t()
                logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
                if not (needs_hidden or needs_weight):
                    total += loss(logits, rows).double().cpu()
                    continue
                with torch.enable_grad():
                    leaf = logits.requires_grad_()
                    value = loss(leaf, rows)
                    gradient = torch.autograd.grad(value, leaf)[0].to(compute)
                total += value.detach().double().cpu()
                if grad_hidden is not None:
                    grad_hidden[rows] = gradient @ matrix
                if grad_weight is not None:
                    grad_weight += gradient.t() @ states[rows]
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.weight_dtype = weight.dtype
        return total.to(torch.promote_types(hidden.dtype, torch.float32)).to(hidden.device)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        grad_hidden, grad_weight = ctx.saved_tensors
        scale = outputs[0]
        return (
            None if grad_hidden is None else grad_hidden * scale,
            None if grad_weight is None else (grad_weight * scale).to(ctx.weight_dtype),
            None,
            None,
            None,
            None,
        )
