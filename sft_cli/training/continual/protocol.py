"""The interface of a method against forgetting: its part in a training step, and its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from sft_cli.training.continual.importance import Importance


class Continual:
    """Called in every optimizer step, in this order; each does nothing unless it is overridden.

    backward, then the task's gradient is clipped, then before_step, the optimizer's step, after_step, line.
    """

    def backward(self, step: int) -> dict[str, float]:
        """Add the gradient of a separate loss, before clipping; return values to log."""
        return {}

    def before_step(self, clipped: float) -> None:
        """Add to the gradients, once per optimizer step.

        `clipped`: the factor by which the task's gradient was clipped.
        """

    def after_step(self, rates: Mapping[Tensor, float]) -> None:
        """The weights have moved; `rates` are the learning rates of this step by weight."""

    def line(self) -> dict[str, float]:
        """The values of the step to log."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """The state that a resumed run needs, by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the result of `state`."""


@dataclass(frozen=True)
class Start:
    """A model before its first step, as the input of a method against forgetting.

    importance(kind): the importance for the old tasks, by the name of a weight. anchor(step, strength): adds the
    gradient of strength·KL(old‖new) on the rows of a step, and returns their mean KL. add_up: adds a number over
    processes that have parts of the weights.
    """

    model: Any
    strength: float
    mode: str  # "loss" or "proximal"
    importance: Callable[[str], Importance]
    anchor: Callable[[int, float], float]
    add_up: Callable[[float], float] = lambda value: value
