"""What a training step minimises: a sum over the targets of a batch, and the parts it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.losses.distillation import forward_kl
from sft_cli.model.forward import Batch, has_plain_head, inner_model, loss_sum, target_logits, target_states

# (model, batch) -> (sum to be divided by the step's weights, {name: sum} to be logged)
Objective = Callable[[Any, Batch], tuple[Tensor, dict[str, float]]]


def supervised(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Objective:
    """The objective Σ loss over the batch's targets."""

    def objective(model: Any, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        total = loss_sum(model, batch, lambda logits, rows: loss(logits, batch.labels[rows], batch.weights[rows]))
        return total, {"loss": float(total.detach())}

    return objective


def distillation(teacher: Any, alpha: float, temperature: float) -> Objective:
    """The objective α·CE + (1−α)·T²·KL(teacher‖student), summed over the batch's targets.

    Where one model pads its vocabulary further than the other, both are cut to the tokens that they share.
    Source: Hinton et al. 2015, section 2, with the weights as in DistilBERT's and torchtune's recipes.
    """

    def objective(model: Any, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        teacher_logits = logits_of_chunk(teacher, batch)
        parts = {"cross_entropy": 0.0, "kl": 0.0}

        def loss_of_chunk(logits: Tensor, rows: slice) -> Tensor:
            weights = batch.weights[rows]
            theirs = teacher_logits(rows)
            shared = min(logits.shape[-1], theirs.shape[-1])
            hard = cross_entropy(logits, batch.labels[rows], weights)
            soft = forward_kl(logits[:, :shared], theirs[:, :shared], weights, temperature)
            parts["cross_entropy"] += float(hard.detach())
            parts["kl"] += float(soft.detach())
            return alpha * hard + (1.0 - alpha) * temperature**2 * soft

        total = loss_sum(model, batch, loss_of_chunk)
        return total, {"loss": float(total.detach()), **parts}

    return objective


def logits_of_chunk(teacher: Any, batch: Batch) -> Callable[[slice], Tensor]:
    """The teacher's float32 logits at some of the batch's targets, made when asked for."""
    with torch.no_grad():
        if not has_plain_head(teacher):
            logits = target_logits(teacher, batch)
            return lambda rows: logits[rows].float()
        states = target_states(teacher, batch)
        weight = inner_model(teacher).get_output_embeddings().weight.detach()
    # The chunk runs with autocast off, so both sides take the narrower format here.
    compute = torch.bfloat16 if torch.bfloat16 in (states.dtype, weight.dtype) else torch.float32
    states, weight = states.to(compute), weight.to(compute)
    return lambda rows: (states[rows] @ weight.t()).float()
