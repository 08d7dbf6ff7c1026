"""The output head on target positions only, in chunks; its gradient is computed in the forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

TARGET_CHUNK = 512  # most target positions per matrix product: 512 × 49 152 bfloat16 logits are 50 MB
CPU_BLOCK = 32  # positions per call of the loss: 32 × 49 152 float32 logits are 6 MB and stay in the cache

# Losses of some target positions: (float32 logits (m, V), their slice of the batch's targets) -> (m,).
LossOfRows = Callable[[Tensor, slice], Tensor]


def chunked_loss(
    hidden: Tensor, weight: Tensor, weights: Tensor, loss_of_rows: LossOfRows, chunk: int = TARGET_CHUNK
) -> tuple[Tensor, Tensor]:
    """(Σ w·loss, the losses (M,) without a gradient) over target positions; no logits are kept.

    hidden (M, d): the body's output at positions that predict a target. weight (V, d): the output embedding, tied or
    not. weights (M,): of the targets. `loss_of_rows` gets logits (m, V), float32 or wider, and their slice of M. Matrix
    products are in the number format of autocast if it is on; the gradient of `weight` is summed in float32.
    """
    if len(hidden) == 0:
        return hidden.sum() * 0.0, weights.new_zeros(0)
    device = hidden.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    # Inside Function.forward grad mode is always off, so it is read here: evaluation must not compute gradients.
    total, losses = _ChunkedLoss.apply(hidden, weight, weights, loss_of_rows, chunk, compute, torch.is_grad_enabled())
    return total, losses


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        weights: Tensor,
        loss: LossOfRows,
        chunk: int,
        compute: torch.dtype,
        wants_grad: bool,
    ) -> tuple[Tensor, Tensor]:
        needs_hidden, needs_weight = (needed and wants_grad for needed in ctx.needs_input_grad[:2])
        wide = torch.promote_types(hidden.dtype, torch.float32)
        losses = torch.empty(len(hidden), dtype=wide, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            states, matrix = hidden.detach().to(compute), weight.detach().to(compute)
            grad_hidden = torch.empty_like(states) if needs_hidden else None
            widest = torch.promote_types(weight.dtype, torch.float32)
            grad_weight = torch.empty_like(weight, dtype=widest) if needs_weight else None
            size = -(-len(states) // -(-len(states) // chunk))  # chunks of about equal size, at most `chunk`
            logits = states.new_empty(size, len(matrix))
            for start in range(0, len(states), size):
                rows = slice(start, min(start + size, len(states)))
                part = torch.mm(states[rows], matrix.t(), out=logits[: rows.stop - start])
                losses[rows] = _losses_and_gradient(part, weights, loss, start, needs_hidden or needs_weight)
                if grad_hidden is not None:
                    torch.mm(part, matrix, out=grad_hidden[rows])
                if grad_weight is not None:
                    product = part.t() @ states[rows]
                    grad_weight.copy_(product) if start == 0 else _add_rows(grad_weight, product)
        ctx.save_for_backward(grad_hidden, grad_weight)
        ctx.dtypes = hidden.dtype, weight.dtype
        ctx.mark_non_differentiable(losses)
        return (losses.double() * weights.double()).sum().to(wide), losses

    @staticmethod
    def backward(ctx: Any, *outputs: Any) -> Any:
        # A training step divides its weights first, so the scale is 1 and no pass over memory is needed.
        scale = outputs[0]
        is_one = scale.device.type == "cpu" and float(scale) == 1.0
        grads = (
            None if grad is None else (grad if is_one else grad * scale).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*grads, None, None, None, None, None)


def _add_rows(wide: Tensor, narrow: Tensor, rows: int = 4096) -> None:
    """wide += narrow, some rows at a time: torch first makes a wide copy of the addend."""
    for start in range(0, len(wide), rows):
        wide[start : start + rows].add_(narrow[start : start + rows])


def _losses_and_gradient(logits: Tensor, weights: Tensor, loss: LossOfRows, first: int, wants_grad: bool) -> Tensor:
    """The losses (m,) of a chunk whose first target is `first`; its logits are replaced by the gradient of Σ w·loss."""
    block = CPU_BLOCK if logits.device.type == "cpu" else len(logits)
    losses = []
    for start in range(0, len(logits), block):
        part = logits[start : start + block]
        rows = slice(first + start, first + start + len(part))
        wide = part.to(torch.promote_types(part.dtype, torch.float32))
        if not wants_grad:
            losses.append(loss(wide, rows))
            continue
        with torch.enable_grad():
            leaf = wide.detach().requires_grad_()
            values = loss(leaf, rows)
            gradient = torch.autograd.grad(values, leaf, weights[rows].to(values.dtype))[0]
        part.copy_(gradient)
        losses.append(values.detach())
    return torch.cat(losses)
