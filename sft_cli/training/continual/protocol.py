"""What a way of not forgetting does in a training step, and what it is made from."""

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
        """Add the gradient of a loss of its own, before clipping; gives what to log of it."""
        return {}

    def before_step(self, clipped: float) -> None:
        """Add to the gradients, once per optimizer step. `clipped`: what clipping has multiplied the task's by."""

    def after_step(self, rates: Mapping[Tensor, float]) -> None:
        """The weights have moved; `rates` are the learning rates of this step by weight."""

    def line(self) -> dict[str, float]:
        """What to log of the step."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a run that goes on needs, by name."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""


@dataclass(frozen=True)
class Start:
    """A model before its first step, as a way of not forgetting sees it.

    importance(kind): that of the old tasks, by the name of a weight. anchor(step, strength): adds the gradient of
    strength·KL(old‖new) on the rows of a step, and gives their mean KL. add_up: adds a number up over processes that
    hold parts of the weights.
    """

    model: Any
    strength: float
    mode: str  # "loss" or "proximal"
    importance: Callable[[str], Importance]
    anchor: Callable[[int, float], float]
    add_up: Callable[[float], float] = lambda value: value
