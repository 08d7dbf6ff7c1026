"""The pull of weights to their start: strength/2 · Σ f·(θ − θ*)², with f the importance of each weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from sft_cli.model.adapters.low_rank import LowRank, low_rank_layers
from sft_cli.model.shards import local, rows_of
from sft_cli.training.continual.protocol import Continual

WEIGHT_BLOCK = 1 << 18  # weights at a time on a CPU: temporary values stay in the cache


class Pull(Protocol):
    """One weight's part of the penalty."""

    def add_gradient(self, strength: float) -> Tensor:
        """Add strength · f·(θ − θ*) to the gradient; return Σ f·(θ − θ*)², a float64 scalar."""

    def shrink(self, strength: float, rates: Mapping[Tensor, float]) -> Tensor:
        """Move the weight to θ* + (θ − θ*)/(1 + rate·strength·f); return the earlier Σ f·(θ − θ*)²."""


class FullPull:
    """The pull of a trained weight, sharded or not; `importance` is for its local part, None for 1."""

    def __init__(self, weight: Tensor, importance: Tensor | None) -> None:
        self.weight = weight
        self.anchor = local(weight).detach().clone()
        self.importance = importance

    @torch.no_grad()
    def add_gradient(self, strength: float) -> Tensor:
        """See Pull."""
        if self.weight.grad is None:
            self.weight.grad = torch.zeros_like(self.weight)
        total = torch.zeros((), dtype=torch.float64, device=self.anchor.device)
        gradients = local(self.weight.grad).view(-1)
        for part, weight, anchor, importance in self._blocks():
            moved = weight - anchor
            if importance is None:
                gradients[part].add_(moved, alpha=strength)
                total += torch.dot(moved, moved)
            else:
                weighted = moved * importance
                gradients[part].add_(weighted, alpha=strength)
                total += torch.dot(weighted, moved)
        return total

    @torch.no_grad()
    def shrink(self, strength: float, rates: Mapping[Tensor, float]) -> Tensor:
        """See Pull."""
        total = torch.zeros((), dtype=torch.float64, device=self.anchor.device)
        amount = strength * rates[self.weight]
        for _, weight, anchor, importance in self._blocks():
            moved = weight - anchor
            weighted = moved if importance is None else moved * importance
            total += torch.dot(weighted, moved)
            divisor = 1.0 + amount if importance is None else importance * amount + 1.0
            torch.add(anchor, moved / divisor, out=weight)
        return total

    def _blocks(self) -> Any:
        weight, anchor = local(self.weight).detach().view(-1), self.anchor.view(-1)
        size = WEIGHT_BLOCK if weight.device.type == "cpu" else max(1, len(weight))
        for start in range(0, len(weight), size):
            part = slice(start, start + size)
            yield part, weight[part], anchor[part], None if self.importance is None else self.importance.view(-1)[part]


class LowRankPull:
    """The pull of W + s·B·A back to W, through the factors of a LoRA: θ − θ* = s·B·A.

    Source: EWC-LoRA (arXiv 2602.17559). Without an importance ‖s·B·A‖² = s²·Σ (BᵀB)∘(AAᵀ), so no tensor of the size of
    W is made.
    """

    def __init__(self, layer: LowRank, importance: Tensor | None) -> None:
        self.layer, self.importance = layer, importance

    @torch.no_grad()
    def add_gradient(self, strength: float) -> Tensor:
        """See Pull."""
        a, b, scale = self.layer.a, self.layer.b, self.layer.scale
        if self.importance is None:
            of_b, of_a = b.T @ b, a @ a.T
            value = scale**2 * (of_b * of_a).sum(dtype=torch.float64)
            for_b, for_a = b @ of_a, of_b @ a
        else:
            moved = (b @ a).mul_(scale)
            weighted = moved * self.importance
            value = torch.dot(weighted.view(-1), moved.view(-1)).double()
            for_b, for_a = (weighted @ a.T).div_(scale), (b.T @ weighted).div_(scale)
        for factor, gradient in ((a, for_a), (b, for_b)):
            if not factor.requires_grad:  # --freeze
                continue
            if factor.grad is None:
                factor.grad = torch.zeros_like(factor)
            factor.grad.add_(gradient, alpha=strength * scale**2)
        return value

    def shrink(self, strength: float, rates: Mapping[Tensor, float]) -> Tensor:
        """Raise AssertionError: there is no closed form for a product of two factors."""
        raise AssertionError("--penalty-mode proximal does not work for a LoRA: its penalty must be a part of the loss")


def pulls(model: Any, importance: Mapping[str, Tensor] | None) -> list[Pull]:
    """The pull of every trained weight, or of every weight that a LoRA changes; without importance, f = 1.

    A weight that `importance` does not name has no pull.
    """
    layers = low_rank_layers(model)
    if layers:
        if importance is None:
            return [LowRankPull(layer, None) for layer in layers]
        return [
            LowRankPull(layer, layer.as_product(importance[layer.name])) for layer in layers if layer.name in importance
        ]
    full_pulls: list[Pull] = []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        if importance is None:
            full_pulls.append(FullPull(weight, None))
        elif name in importance:
            first, last = rows_of(weight)
            part = importance[name][first:last] if local(weight) is not weight else importance[name]
            full_pulls.append(FullPull(weight, part.to(local(weight).device).contiguous()))
    return full_pulls


@dataclass(eq=False)
class QuadraticPenalty(Continual):
    """strength/2 · Σ f·(θ − θ*)², its gradient added once per optimizer step, after the task's was clipped.

    mode "loss": the gradient goes through the optimizer. "proximal": after the step of the optimizer, the weights make
    the exact proximal step of the penalty, which is stable at every strength. raw_mean: the mean by which the
    importance was divided, if it is the Fisher information of one old task: then ½·raw_mean·Σ f·(θ − θ*)² predicts
    KL(old‖new) in nats per token. add_up: adds a number over processes that have parts of the weights.
    """

    name: str
    pulls: Sequence[Pull]
    strength: float
    mode: str = "loss"
    raw_mean: float | None = None
    temperature: float = 1.0  # of the predicted KL
    add_up: Callable[[float], float] = lambda value: value
    square: float = field(default=0.0, init=False)  # Σ f·(θ − θ*)² before the latest step

    def before_step(self, clipped: float) -> None:
        """Add the gradient, in mode "loss"."""
        if self.mode == "loss":
            self._note([pull.add_gradient(self.strength) for pull in self.pulls])

    def after_step(self, rates: Mapping[Tensor, float]) -> None:
        """Shrink the move of the weights, in mode "proximal"."""
        if self.mode == "proximal":
            self._note([pull.shrink(self.strength, rates) for pull in self.pulls])

    def _note(self, squares: Sequence[Tensor]) -> None:
        self.square = self.add_up(float(torch.stack(list(squares)).sum()) if squares else 0.0)

    def line(self) -> dict[str, float]:
        """The penalty, and the KL that the Fisher information predicts."""
        numbers = {f"penalty_{self.name}": self.strength / 2 * self.square}
        if self.raw_mean is not None:
            numbers["predicted_kl"] = self.raw_mean / 2 * self.square
        return numbers
