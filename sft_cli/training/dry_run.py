"""The expected time and memory of a run, measured on two of its micro-batches."""

from __future__ import annotations

import time
from itertools import islice

from sft_cli.training.clipping import clip_gradients
from sft_cli.training.loop import LoopState, start
from sft_cli.training.objective import Objective
from sft_cli.training.plan.packing import microbatches
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.continual import strengths
from sft_cli.training.setup import Setup

SAMPLE_STEPS = 1000  # steps of the plan that are examined


def expected(setup: Setup, objective: Objective) -> str:
    """A line about the seconds and the peak memory of the whole run, without evaluation and saving.

    It trains on a few micro-batches, so the model must not be used after it: for a dry run. The largest micro-batch of
    the first 1,000 steps is computed twice, the second time with the optimizer's state in memory. This measures the
    peak and the cost of the first use of memory. A micro-batch of median size measures the seconds per token.
    """
    state = start(setup.compute, setup.rows.train, setup.settings)
    lengths = setup.rows.train.lengths
    steps = list(islice(state.plan.after(0), SAMPLE_STEPS))
    parts = [
        [step.rows[i] for i in members]
        for step in steps
        for members in microbatches(lengths[step.rows].tolist(), setup.settings.microbatch_tokens)
    ]
    parts.sort(key=lambda rows: int(lengths[rows].sum()))
    largest, median = parts[-1], parts[len(parts) // 2]
    setup.model.train()
    first, second = (_seconds(setup, objective, state, largest, steps=True) for _ in range(2))
    compute = min(_seconds(setup, objective, state, median, steps=False) for _ in range(2))
    update = second - min(_seconds(setup, objective, state, largest, steps=False), second)
    tokens = sum(int(lengths[rows].sum()) for rows in parts) / len(steps) * len(state.plan)
    total = first - second + tokens * compute / int(lengths[median].sum()) + len(state.plan) * update
    sizes = f"{int(lengths[largest].sum()):,} and {int(lengths[median].sum()):,} tokens"
    peak = setup.place.peak_memory_gb()
    return (
        f"estimate: about {duration(total)} for {len(state.plan)} steps, {peak:.1f} GB at the peak "
        f"(measured on micro-batches of {sizes}{_unmeasured(setup.settings)})"
    )


def _unmeasured(settings: TrainSettings) -> str:
    return f", without {' and '.join(strengths(settings))}" if strengths(settings) else ""


def _seconds(setup: Setup, objective: Objective, state: LoopState, rows: list[int], steps: bool) -> float:
    """The seconds of a micro-batch, and with `steps` of the optimizer's step after it."""
    settings = setup.settings
    begun = time.perf_counter()
    examples = [setup.rows.train[row] for row in rows]
    state.compute.backward(examples, objective)
    if steps:
        trained = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
        clip_gradients(trained, settings.clip, state.world)
        state.optimizer.step()
    state.optimizer.zero_grad()
    return time.perf_counter() - begun


def duration(seconds: float) -> str:
    """`45 s`, `12 min 5 s`, `3 h 20 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
