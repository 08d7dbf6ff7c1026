"""The best evaluation so far, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sft_cli.training.settings import TrainSettings


@dataclass(frozen=True)
class Judge:
    """A metric of the model's answers to the held-out rows: `score(model)` returns its value, named `key`."""

    key: str
    higher_is_better: bool
    score: Callable[[Any], float]


@dataclass
class Best:
    """The best evaluation so far: its step (0: none), and its values.

    `key` is `eval_loss`, or the name of a value in `eval_metric`. `waited` counts evaluations since the best; at
    `patience` the run stops. A value that is not a number is never the best.
    """

    key: str = "eval_loss"
    higher_is_better: bool = False
    patience: int | None = None
    step: int = 0
    measured: dict[str, Any] = field(default_factory=dict)
    waited: int = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` evaluations in a row have not been better than the best."""
        return self.patience is not None and self.waited >= self.patience

    def add(self, step: int, line: dict[str, Any]) -> bool:
        """Record an evaluation in a line of metrics; return whether it is the best so far."""
        value = self._value(line)
        known = self._value(self.measured) if self.step else math.nan
        is_better = value > known if self.higher_is_better else value < known
        if math.isfinite(value) and (is_better or not self.step):
            self.step, self.waited = step, 0
            self.measured = {key: number for key, number in line.items() if key.startswith(("eval_", "retain_"))}
            return True
        self.waited += 1
        return False

    def _value(self, line: dict[str, Any]) -> float:
        return float({**line, **line.get("eval_metric", {})}[self.key])

    def shown(self) -> str:
        """`eval_loss 1.2345 at step 20`."""
        return f"{self.key} {self._value(self.measured):.4f} at step {self.step}" if self.step else "none"


def best_of(settings: TrainSettings, judge: Judge | None) -> Best:
    """The initial best, before the first evaluation: by the judge's metric if there is one, otherwise by the loss."""
    if judge is None:
        return Best(patience=settings.patience)
    return Best(judge.key, judge.higher_is_better, settings.patience)
