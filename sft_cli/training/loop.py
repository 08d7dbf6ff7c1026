"""The training loop: steps of packed micro-batches, one division per optimizer step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sft_cli.run.errors import UserError
from sft_cli.training.clipping import clip_gradients, clip_scale
from sft_cli.training.compute import Compute
from sft_cli.training.continual.protocol import Continual
from sft_cli.training.objective import Objective
from sft_cli.training.plan.schedule import learning_rate_factor, warmup_steps
from sft_cli.training.plan.steps import Step, StepPlan
from sft_cli.training.processes.world import World
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import OPTIMIZERS, SCHEDULES


@dataclass
class Position:
    """The position of the loop, and its counts."""

    step: int = 0
    tokens: int = 0
    target_tokens: int = 0
    last: dict[str, Any] = field(default_factory=dict)  # the latest line of metrics


@dataclass
class LoopState:
    """The state that the loop changes; a watcher that sets `stop` ends the loop, with this reason."""

    compute: Compute
    optimizer: torch.optim.Optimizer
    plan: StepPlan
    at: Position = field(default_factory=Position)
    continual: list[Continual] = field(default_factory=list)
    stop: str = ""

    @property
    def model(self) -> Any:
        """The model that trains."""
        return self.compute.model

    @property
    def world(self) -> World:
        """The processes that train it."""
        return self.compute.world

    @property
    def is_last(self) -> bool:
        """Whether this was the last step."""
        return bool(self.stop) or self.at.step == len(self.plan)


class NotANumber(UserError):
    """The loss or the gradient of a step is not a number; the weights are those of the step before."""


# Called after every step with its line of metrics, and may add to it: evaluation, writing, saving, stopping.
Watcher = Callable[[LoopState, Step, dict[str, Any]], None]


def start(compute: Compute, corpus: Corpus, settings: TrainSettings) -> LoopState:
    """The state before the first step."""
    optimizer = OPTIMIZERS.load(settings.optimizer)(compute.model, settings)
    return LoopState(compute, optimizer, StepPlan(corpus, settings))


def train_loop(state: LoopState, objective: Objective, watchers: Sequence[Watcher] = ()) -> Position:
    """Train `state.model` in place, from the position of `state` to the end of its plan.

    Raises NotANumber when the loss stops being a number, naming the step and its rows.
    """
    state.model.train()
    for step in state.plan.after(state.at.step):
        line = take_step(state, step, objective)
        for watcher in watchers:
            watcher(state, step, line)
        if state.stop:
            break
    state.model.eval()
    return state.at


def take_step(state: LoopState, step: Step, objective: Objective) -> dict[str, Any]:
    """One optimizer step; returns its line of metrics."""
    started = time.perf_counter()
    at, optimizer, corpus, settings = state.at, state.optimizer, state.plan.corpus, state.plan.settings
    rate = _set_rates(state)
    examples = [corpus[row] for row in step.rows]
    tasks = [corpus.tasks[row] for row in step.rows] if len(state.plan.tasks) > 1 else []
    state.world.seed(settings.seed, at.step)
    means = state.compute.backward(examples, objective, tasks, state.plan.task_weights)
    for method in state.continual:
        means |= method.backward(at.step)
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    norm = clip_gradients(list(rates), settings.clip, state.world)
    _check_finite(state, means["loss"], norm, [corpus.ids[row] for row in step.rows])
    _check_moves(at.step, means["loss"], norm)
    for method in state.continual:
        method.before_step(clip_scale(norm, settings.clip))
    optimizer.step()
    for method in state.continual:
        method.after_step(rates)
        means |= method.line()
    optimizer.zero_grad()  # frees the memory of the gradients for the next forward pass
    tokens = sum(len(example.ids) for example in examples)
    at.step += 1
    at.tokens += tokens
    at.target_tokens += sum(example.target_count for example in examples)
    seconds = time.perf_counter() - started
    line: dict[str, Any] = {"step": at.step, "epoch": step.epoch}
    line |= means
    line |= {"learning_rate": rate, "grad_norm": norm}
    line |= {"tokens": at.tokens, "target_tokens": at.target_tokens, "seconds": seconds}
    line |= {"tokens_per_second": tokens / seconds, "peak_memory_gb": state.compute.place.peak_memory_gb()}
    at.last = line
    return line


def _set_rates(state: LoopState) -> float:
    """Set the learning rate of each group for the step that comes; returns the rate without the groups' factors."""
    steps, settings = len(state.plan), state.plan.settings
    shape = SCHEDULES.load(settings.schedule)
    rate = settings.peak_learning_rate * learning_rate_factor(
        state.at.step, steps, warmup_steps(steps, settings), shape
    )
    for group in state.optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
    return rate


def _check_finite(state: LoopState, loss: float, norm: float, ids: list[str]) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
    cure = "lower --learning-rate, or check these rows"
    if state.at.step == 0:  # no weight has changed yet, so the learning rate is not the cause
        broken = [name for name, weight in state.model.named_parameters() if not weight.isfinite().all()]
        problem = (
            f"these weights have values that are not numbers: {', '.join(broken[:3])}{', …' if broken[3:] else ''}"
        )
        cure = "at the first step the learning rate is not the cause: "
        cure += problem if broken else "check the model and these rows"
    raise NotANumber(
        f"step {state.at.step + 1}: {what}, expected a number; rows of this step: "
        f"{', '.join(ids[:8])}{', …' if ids[8:] else ''}\nhint: {cure}"
    )


def _check_moves(step: int, loss: float, norm: float) -> None:
    # An adapter that is not connected to the loss would train silently and learn nothing.
    if step == 0 and norm == 0.0 and loss != 0.0:
        raise RuntimeError(f"the loss is {loss}, but the trained weights have no gradient")
