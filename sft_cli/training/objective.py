"""The objective of a training step: a sum over the targets of a batch, and its parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sft_cli.losses import LOSSES
from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.losses.distillation import forward_kl
from sft_cli.model.forward import Batch, has_plain_head, inner_model, target_logits, target_states, weighted_loss
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import LOSS_OPTIONS

# (model, batch) -> (Σ w·loss over the batch's targets, {name: values (M,) to log})
Objective = Callable[[Any, Batch], tuple[Tensor, dict[str, Tensor]]]


def supervised(loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """The objective Σ w·loss over the batch's targets."""

    def objective(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        total, losses = weighted_loss(model, batch, lambda logits, rows: loss(logits, batch.labels[rows]))
        return total, {"loss": losses}

    return objective


def distillation(teacher: Any, alpha: float, temperature: float) -> Objective:
    """The objective Σ w·(α·CE + (1−α)·T²·KL(teacher‖student)) over the batch's targets.

    If one model pads its vocabulary more than the other, both are cut to the tokens that they share.
    Source: Hinton et al. 2015, section 2, with the weights as in DistilBERT's and torchtune's recipes.
    """

    def objective(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        teacher_logits = logits_of_rows(teacher, batch)
        parts = {name: torch.zeros_like(batch.weights) for name in ("cross_entropy", "kl")}

        def loss_of_rows(logits: Tensor, rows: slice) -> Tensor:
            theirs = teacher_logits(rows)
            shared = min(logits.shape[-1], theirs.shape[-1])
            hard = cross_entropy(logits, batch.labels[rows])
            soft = forward_kl(logits[:, :shared], theirs[:, :shared], temperature)
            parts["cross_entropy"][rows], parts["kl"][rows] = hard.detach(), soft.detach()
            return alpha * hard + (1.0 - alpha) * temperature**2 * soft

        total, losses = weighted_loss(model, batch, loss_of_rows)
        return total, {"loss": losses, **parts}

    return objective


def anchored(
    old: Callable[[Any, Batch], Callable[[slice], Tensor]], strength: float, temperature: float = 1.0
) -> Objective:
    """The objective strength·Σ w·KL(old‖model) over the batch's targets, at a temperature; `loss` is only the KL."""

    def objective(model: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        old_logits = old(model, batch)
        weighted = replace(batch, weights=batch.weights * strength)
        total, losses = weighted_loss(
            model, weighted, lambda logits, rows: forward_kl(logits, old_logits(rows), temperature)
        )
        return total, {"loss": losses}

    return objective


def logits_of_rows(teacher: Any, batch: Batch) -> Callable[[slice], Tensor]:
    """The teacher's float32 logits at some of the batch's targets, computed when needed."""
    with torch.no_grad():
        if not has_plain_head(teacher):
            logits = target_logits(teacher, batch)
            return lambda rows: logits[rows].float()
        states = target_states(teacher, batch)
        weight = inner_model(teacher).get_output_embeddings().weight.detach()
    # The loss runs with autocast off, so both sides use the narrower format here.
    compute = torch.bfloat16 if torch.bfloat16 in (states.dtype, weight.dtype) else torch.float32
    states, weight = states.to(compute), weight.to(compute)
    return lambda rows: (states[rows] @ weight.t()).float()


def chosen_loss(settings: TrainSettings) -> Callable[[Tensor, Tensor], Tensor]:
    """The function (logits (m, V), labels (m,)) -> (m,)."""
    options = LOSS_OPTIONS.get(settings.loss, {})
    given = {keyword: getattr(settings, field) for keyword, field in options.items()}
    return partial(LOSSES.load(settings.loss), **{k: value for k, value in given.items() if value is not None})
