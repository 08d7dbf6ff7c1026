"""The diagonal of the Fisher information of a language model on some rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sft_cli.encoding.encoder import Example
from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.model.forward import Batch, make_batch, weighted_loss
from sft_cli.run.seed import stable_hash


@dataclass
class Fisher:
    """Σ over rows of squared gradients, before the division by the number of target tokens.

    sums: by the name of a weight, float32. squares: ‖g‖² of each row. entropy: Σ over targets of the entropy of the
    model's distribution at temperature 1, in nats.
    """

    sums: dict[str, Tensor]
    squares: list[float]
    tokens: int = 0
    entropy: float = 0.0

    @property
    def effective_rows(self) -> float:
        """(Σ‖g‖²)² / Σ‖g‖⁴: the effective number of rows of the estimate; near 1, one rare sample dominates it."""
        total, fourth = sum(self.squares), sum(square**2 for square in self.squares)
        return total**2 / fourth if fourth else 0.0

    def diagonal(self) -> dict[str, Tensor]:
        """F, written over the sums; KL(θ‖θ+δ) ≈ ½ Σ F·δ² in nats per target token."""
        for value in self.sums.values():
            value.div_(max(self.tokens, 1))
        return self.sums


class Draw(NamedTuple):
    """How labels are drawn."""

    temperature: float
    generator: torch.Generator


def estimate_fisher(
    model: Any,
    weights: Mapping[str, Tensor],
    rows: Iterable[tuple[str, Example]],
    temperature: float = 1.0,
    seed: int = 0,
) -> Fisher:
    """E[(∂/∂θ log p(ŷ|x))²] of `weights`, summed over target tokens, with ŷ drawn from the model itself.

    One backward pass for each row: the square of a sum over several rows would be too small by the number of rows.
    Within a row the samples at each target are independent given the text, so cross terms are 0 in expectation. Samples
    and gradients are at `temperature`, in float32 even under autocast, with the model in eval mode. The samples of a
    row depend only on (seed, its id). Source: Kirkpatrick et al. 2017 (arXiv 1612.00796), eq. 3; Kunstner et al. 2019
    for sampled against empirical.
    """
    device = str(next(iter(weights.values())).device)
    was_training, needed = model.training, {name: weight.requires_grad for name, weight in weights.items()}
    model.eval()
    fisher = Fisher({name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}, [])
    for weight in weights.values():
        weight.requires_grad_(True)
    try:
        with torch.autocast(device.split(":")[0], enabled=False):
            for row_id, example in rows:
                generator = torch.Generator(device).manual_seed(stable_hash("fisher", seed, row_id) >> 1)
                _add_row(fisher, model, weights, make_batch([example], device), Draw(temperature, generator))
    finally:
        model.zero_grad()
        for name, weight in weights.items():
            weight.requires_grad_(needed[name])
        model.train(was_training)
    return fisher


def _add_row(fisher: Fisher, model: Any, weights: Mapping[str, Tensor], batch: Batch, draw: Draw) -> None:
    batch = dataclasses.replace(batch, weights=torch.ones_like(batch.weights))

    def loss_of_rows(logits: Tensor, rows: slice) -> Tensor:
        warm = logits / draw.temperature
        with torch.no_grad():
            drawn = torch.multinomial(warm.softmax(-1), 1, generator=draw.generator)[:, 0]
            log_probs = logits.log_softmax(-1)
            fisher.entropy -= float((log_probs.exp() * log_probs).sum(dtype=torch.float64))
        return cross_entropy(warm, drawn)

    model.zero_grad()
    total, _ = weighted_loss(model, batch, loss_of_rows)
    total.backward()
    squares = []
    with torch.no_grad():
        for name, weight in weights.items():
            if weight.grad is not None:
                gradient = weight.grad.float()
                fisher.sums[name].addcmul_(gradient, gradient)
                squares.append(torch.dot(gradient.view(-1), gradient.view(-1)))
    fisher.squares.append(float(torch.stack(squares).sum(dtype=torch.float64)) if squares else 0.0)
    fisher.tokens += len(batch.labels)
