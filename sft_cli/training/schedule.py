"""Learning-rate schedules: warm-up, then a shape."""

from __future__ import annotations

import math
from collections.abc import Callable

from sft_cli.run.registry import Table

SCHEDULES = Table(
    "schedule",
    {
        "cosine": "sft_cli.training.schedule:cosine",
        "linear": "sft_cli.training.schedule:linear",
        "constant": "sft_cli.training.schedule:constant",
    },
)


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017, eq. 5, one cycle)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """A straight line from 1 to 0."""
    return 1.0 - progress


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def learning_rate_factor(step: int, steps: int, warmup: int, shape: Callable[[float], float]) -> float:
    """What the peak learning rate is multiplied by at `step` (from 0) of `steps`.

    Warm-up is linear and reaches 1 at step `warmup`; the shape then runs over the steps that are left. Equals
    transformers' schedules, except that no step has rate 0: warm-up starts at 1/(warmup + 1).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return shape((step - warmup) / max(1, steps - warmup))
