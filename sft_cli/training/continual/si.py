"""Synaptic intelligence: the importance of a weight is how much its moves lowered the loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sft_cli.training.continual.importance import Importance
from sft_cli.training.continual.protocol import Continual, Start
from sft_cli.training.continual.pull import QuadraticPenalty, pulls


def si(start: Start) -> Continual:
    """SI: λ/2 · Σ Ω̂·(θ − θ*)², Ω̂ recorded while the old task was trained, of mean 1 (Zenke et al. 2017, eqs. 4–5)."""
    importance = start.importance("si")
    return QuadraticPenalty(
        "si", pulls(start.model, importance.values), start.strength, start.mode, add_up=start.add_up
    )


class PathIntegral(Continual):
    """Records ω = Σ over steps of −g·Δθ: the task's gradient, without clipping and penalties, times the whole move.

    With plain gradient descent and small steps, Σ ω is the decrease of the loss. Keeps four copies of the weights.
    Source: Zenke et al. 2017 (arXiv 1703.04200), eq. 3, with the task's gradient as in their code.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = dict(weights)
        self.first = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.omega = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in self.first.items()}
        self.before: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def before_step(self, clipped: float) -> None:
        """Keep the task's gradient and the weights, before penalties change the gradient and the step the weights."""
        self.before = {
            name: (weight.grad / clipped, weight.detach().clone())
            for name, weight in self.weights.items()
            if weight.grad is not None
        }

    @torch.no_grad()
    def after_step(self, rates: Mapping[Tensor, float]) -> None:
        """Add −g·Δθ."""
        for name, (gradient, old) in self.before.items():
            self.omega[name].addcmul_(gradient, old.sub_(self.weights[name]))
        self.before = {}

    @torch.no_grad()
    def importance(self) -> Importance:
        """Ω = max(0, ω) / (Δ² + ξ), with Δ the whole move of a weight and ξ the mean of Δ² over all weights.

        In the paper ξ is a constant for training from scratch. The moves of fine-tuning are so small that this constant
        would dominate Δ², and Ω would be proportional to ω.
        """
        moves = {name: (weight.detach() - self.first[name]).square_() for name, weight in self.weights.items()}
        count = sum(move.numel() for move in moves.values())
        damping = sum(float(move.sum(dtype=torch.float64)) for move in moves.values()) / count
        values = {
            name: self.omega[name].clamp(min=0.0).div_(move.add_(max(damping, 1e-30))).cpu()
            for name, move in moves.items()
        }
        return Importance.normalised("si", values, {"damping": damping})

    def state(self) -> dict[str, Tensor]:
        """ω by the name of a weight."""
        return {f"omega/{name}": value for name, value in self.omega.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore ω; the first weights are those at the start of the run."""
        for name, value in self.omega.items():
            value.copy_(state[f"omega/{name}"])
