"""The training loop: steps of packed micro-batches, one division per optimizer step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sft_cli.continual.protocol import Continual
from sft_cli.model.encode import Example
from sft_cli.model.forward import make_batch
from sft_cli.run.errors import UserError
from sft_cli.run.text import counted
from sft_cli.training.batches import Step, StepPlan
from sft_cli.training.clipping import clip_gradients, clip_scale
from sft_cli.training.corpus import Corpus
from sft_cli.training.objective import Objective
from sft_cli.training.optimizers import OPTIMIZERS
from sft_cli.training.place import Place
from sft_cli.training.schedule import SCHEDULES, learning_rate_factor
from sft_cli.training.settings import TrainSettings
from sft_cli.training.task_loss import TaskSums
from sft_cli.training.world import World


@dataclass
class Position:
    """Where the loop is, and what it has seen."""

    step: int = 0
    tokens: int = 0
    target_tokens: int = 0
    last: dict[str, Any] = field(default_factory=dict)  # the latest line of metrics


@dataclass
class LoopState:
    """What the loop changes as it goes; a watcher that sets `stop` ends it, with that reason."""

    model: Any
    optimizer: torch.optim.Optimizer
    plan: StepPlan
    at: Position = field(default_factory=Position)
    world: World = field(default_factory=World)
    continual: list[Continual] = field(default_factory=list)
    stop: str = ""

    @property
    def is_last(self) -> bool:
        """Whether no step follows."""
        return bool(self.stop) or self.at.step == len(self.plan)


class NotANumber(UserError):
    """The loss or the gradient of a step is no number; the weights are those of the step before."""


# Called after every step with the step's line of metrics, to which it may add: evaluating, writing, saving, stopping.
Watcher = Callable[[LoopState, Step, dict[str, Any]], None]


def warmup_steps(steps: int, settings: TrainSettings) -> int:
    """Steps of warm-up: a share of the run if below 1, else a number of steps."""
    return round(settings.warmup * steps) if settings.warmup < 1 else int(settings.warmup)


def warmup_note(steps: int, settings: TrainSettings) -> str | None:
    """What is wrong with a warm-up in which the learning rate never comes to its peak; None if it does."""
    warmup = warmup_steps(steps, settings)
    if warmup < steps:
        return None
    share = learning_rate_factor(steps - 1, steps, warmup, SCHEDULES.load("constant"))
    return (
        f"--warmup: a warm-up of {counted(warmup, 'step')} never ends in a run of {counted(steps, 'step')}: the "
        f"learning rate comes to {share:.1%} of its peak\n"
        "hint: --warmup 0.1 is a tenth of the run"
    )


def backward_step(
    model: Any,
    examples: list[Example],
    objective: Objective,
    microbatch_tokens: int,
    place: Place,
    world: World | None = None,
    tasks: Sequence[str] = (),
    task_weights: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Gradients of one optimizer step, of Σ w·loss / Σ w over all of its micro-batches; gives the means by name.

    Weights are divided before the first backward pass, so how the step is cut does not change its gradient. `tasks`,
    one for each example, adds "task_loss"; with `task_weights` the loss is the weighted mean of the tasks' own.
    """
    world = world or World()
    weight_sums = [float(example.weights.sum(dtype="float64")) for example in examples]
    sums = TaskSums(weight_sums, tasks or [""] * len(examples), task_weights)
    lengths = [len(example.ids) for example in examples]
    turns = world.share(lengths, microbatch_tokens)
    for turn, members in enumerate(turns, 1):
        # A process with nothing left to do computes the shortest document for nothing: others wait for its call.
        rows = members or [lengths.index(min(lengths))]
        chosen = [examples[i] for i in rows]
        batch = make_batch(chosen, place.device, sums.scales(rows))
        with world.accumulating(is_last=turn == len(turns)):
            with place.autocast():
                total, parts = objective(model, batch)
            (total if members else total * 0.0).backward()
        if members:
            sums.add(members, chosen, batch, parts)
    means = sums.means(world.sum(sums.totals()))
    if not tasks:
        del means["task_loss"]
    return means


def start(model: Any, corpus: Corpus, settings: TrainSettings, world: World | None = None) -> LoopState:
    """The state before the first step."""
    optimizer = OPTIMIZERS.load(settings.optimizer)(model, settings)
    return LoopState(model, optimizer, StepPlan(corpus, settings), world=world or World())


def train_loop(
    state: LoopState,
    corpus: Corpus,
    objective: Objective,
    settings: TrainSettings,
    place: Place,
    watchers: Sequence[Watcher] = (),
) -> Position:
    """Train `state.model` in place, from where `state` is to the end of its plan.

    Raises NotANumber when the loss stops being a number, naming the step and its rows.
    """
    state.model.train()
    for step in state.plan.after(state.at.step):
        line = take_step(state, step, corpus, objective, settings, place)
        for watcher in watchers:
            watcher(state, step, line)
        if state.stop:
            break
    state.model.eval()
    return state.at


def take_step(
    state: LoopState, step: Step, corpus: Corpus, objective: Objective, settings: TrainSettings, place: Place
) -> dict[str, Any]:
    """One optimizer step; gives its line of metrics."""
    started = time.perf_counter()
    steps, at, optimizer = len(state.plan), state.at, state.optimizer
    shape = SCHEDULES.load(settings.schedule)
    factor = learning_rate_factor(at.step, steps, warmup_steps(steps, settings), shape)
    for group in optimizer.param_groups:
        group["lr"] = settings.peak_learning_rate * factor * group.get("lr_scale", 1.0)
    examples = [corpus[row] for row in step.rows]
    tasks = [corpus.tasks[row] for row in step.rows] if len(state.plan.tasks) > 1 else []
    state.world.seed(settings.seed, at.step)
    means = backward_step(
        state.model, examples, objective, settings.microbatch_tokens, place, state.world, tasks, state.plan.task_weights
    )
    for method in state.continual:
        means |= method.backward(at.step)
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    norm = clip_gradients(rates, settings.clip, state.world)
    _check_finite(state, means["loss"], norm, [corpus.ids[row] for row in step.rows])
    _check_moves(at.step, means["loss"], norm)
    for method in state.continual:
        method.before_step(clip_scale(norm, settings.clip))
    optimizer.step()
    for method in state.continual:
        method.after_step(rates)
        means |= method.line()
    optimizer.zero_grad()  # gives the memory of the gradients to the next forward pass
    tokens = sum(len(example.ids) for example in examples)
    at.step += 1
    at.tokens += tokens
    at.target_tokens += sum(example.target_count for example in examples)
    seconds = time.perf_counter() - started
    line: dict[str, Any] = {"step": at.step, "epoch": step.epoch}
    line |= means
    line |= {"learning_rate": settings.peak_learning_rate * factor, "grad_norm": norm}
    line |= {"tokens": at.tokens, "target_tokens": at.target_tokens, "seconds": seconds}
    line |= {"tokens_per_second": tokens / seconds, "peak_memory_gb": place.peak_memory_gb()}
    at.last = line
    return line


def _check_finite(state: LoopState, loss: float, norm: float, ids: list[str]) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
    cure = "lower --learning-rate, or look at these rows"
    if state.at.step == 0:  # no weight has changed yet: the rate cannot be the cause
        broken = [name for name, weight in state.model.named_parameters() if not weight.isfinite().all()]
        found = f"these weights hold values that are not numbers: {', '.join(broken[:3])}{', …' if broken[3:] else ''}"
        cure = f"no weight has changed yet: {found if broken else 'look at the model and at these rows'}"
    raise NotANumber(
        f"step {state.at.step + 1}: {what}, expected a number; rows of this step: "
        f"{', '.join(ids[:8])}{', …' if ids[8:] else ''}\nhint: {cure}"
    )


def _check_moves(step: int, loss: float, norm: float) -> None:
    # An adapter that is not connected to the loss would train without a word and learn nothing.
    if step == 0 and norm == 0.0 and loss != 0.0:
        raise RuntimeError(f"the weights that train have no gradient, at a loss of {loss}")


def evaluate_loss(
    model: Any,
    corpus: Corpus,
    objective: Objective,
    microbatch_tokens: int,
    place: Place,
    world: World | None = None,
) -> dict[str, Any]:
    """Held-out loss: {"eval_loss": Σ w·loss / Σ w over all rows}, without gradients.

    If they are of more than one task, "eval_task_loss" too: {task: the same over the task's rows}.
    """
    world = world or World()
    was_training = model.training
    model.eval()
    sums = TaskSums(corpus.weight_sums, corpus.tasks)
    with torch.no_grad(), place.autocast():
        for members in world.share(corpus.lengths.tolist(), microbatch_tokens):
            rows = members or [int(corpus.lengths.argmin())]
            chosen = [corpus[i] for i in rows]
            batch = make_batch(chosen, place.device)
            _, parts = objective(model, batch)
            if members:
                sums.add(members, chosen, batch, parts)
    model.train(was_training)
    means = sums.means(world.sum(sums.totals()))
    held_out = {"eval_loss": means["loss"]}
    return held_out if len(sums.names) < 2 else {**held_out, "eval_task_loss": means["task_loss"]}
