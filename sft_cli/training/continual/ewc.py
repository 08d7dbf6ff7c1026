"""Elastic weight consolidation."""

from __future__ import annotations

from sft_cli.training.continual.protocol import Continual, Start
from sft_cli.training.continual.pull import QuadraticPenalty, pulls


def ewc(start: Start) -> Continual:
    """EWC: λ/2 · Σ F̂·(θ − θ*)², F̂ the old tasks' Fisher information of mean 1 (Kirkpatrick et al. 2017, eq. 3).

    Several old tasks are one penalty around the newest weights, F̂ summed over them with a decay (Huszár 2018).
    """
    importance = start.importance("ewc")
    parts = pulls(start.model, importance.values)
    temperature = float(importance.tasks[0].get("temperature", 1.0))
    return QuadraticPenalty(
        "ewc", parts, start.strength, start.mode, importance.raw_mean, temperature, add_up=start.add_up
    )
