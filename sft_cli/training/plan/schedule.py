"""Learning-rate schedules: warm-up, then a shape."""

from __future__ import annotations

import math
from collections.abc import Callable

from sft_cli.run.text import counted
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import SCHEDULES


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
    """The factor of the peak learning rate at `step` (from 0) of `steps`.

    Warm-up is linear and reaches 1 at step `warmup`; the shape then covers the remaining steps. Equal to the schedules
    of transformers, except that no step has rate 0: warm-up starts at 1/(warmup + 1).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return shape((step - warmup) / max(1, steps - warmup))


def warmup_steps(steps: int, settings: TrainSettings) -> int:
    """Steps of warm-up: a share of the run if below 1, otherwise a number of steps."""
    return round(settings.warmup * steps) if settings.warmup < 1 else int(settings.warmup)


def warmup_note(steps: int, settings: TrainSettings) -> str | None:
    """The error of a warm-up in which the learning rate never reaches its peak; None if it does."""
    warmup = warmup_steps(steps, settings)
    if warmup < steps:
        return None
    share = learning_rate_factor(steps - 1, steps, warmup, SCHEDULES.load("constant"))
    return (
        f"--warmup: a warm-up of {counted(warmup, 'step')} never ends in a run of {counted(steps, 'step')}: the "
        f"learning rate only reaches {share:.1%} of its peak\n"
        "hint: --warmup 0.1 is a tenth of the run"
    )
