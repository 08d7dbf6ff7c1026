"""Whether a run has made its model worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

FACTOR, RISE = 2.0, 1.0  # a loss has diverged if it is this many times the first value, and this many nats above it


def divergence(lines: Sequence[Mapping[str, Any]]) -> str | None:
    """The reason why a run has diverged, from its lines of metrics; None if it has not.

    It has diverged if the loss at the end is more than twice the loss at the start, and more than 1 nat above it: the
    mean of the last tenth of the steps compared with the first tenth, or the held-out loss compared with that before
    training. A loss that is not a number also counts.
    """
    losses = [float(line["loss"]) for line in lines if "loss" in line]
    tenth = max(1, len(losses) // 10)
    series = {
        "the loss": (_mean(losses[:tenth]), _mean(losses[-tenth:])) if len(losses) > 1 else (0.0, 0.0),
        "the held-out loss": _ends([float(line["eval_loss"]) for line in lines if "eval_loss" in line]),
    }
    for name, (before, after) in series.items():
        if not math.isfinite(after) or after > max(FACTOR * before, before + RISE):
            return f"{name} has risen from {before:.4g} to {after:.4g}"
    return None


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (values[0], values[-1]) if values else (0.0, 0.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
