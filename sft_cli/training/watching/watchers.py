"""The watchers after every step: evaluation, stopping, the line of metrics, progress on stderr, saving."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, TextIO

from sft_cli.run.progress import Progress
from sft_cli.training.best import Best
from sft_cli.training.loop import LoopState, Watcher
from sft_cli.training.plan.steps import Step
from sft_cli.training.watching.interrupt import Interrupt


def evaluator(evaluate: Callable[[], dict[str, Any]], every: int | None) -> Watcher:
    """Adds the results of `evaluate` after each epoch, after the last step, and every `every` steps."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if step.ends_epoch or state.is_last or (every is not None and state.at.step % every == 0):
            line |= evaluate()

    return watch


def retain_guard(before: Callable[[], float], limit: float) -> Watcher:
    """Stops the run when the loss of the old rows has risen by more than `limit` since `before()`."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if "retain_loss" in line and line["retain_loss"] > before() + limit:
            risen = line["retain_loss"] - before()
            state.stop = f"retain_loss has risen by {risen:.4f} at step {state.at.step}, more than {limit:g}"

    return watch


def best_keeper(best: Best, keep: Callable[[LoopState], None] | None) -> Watcher:
    """Records each evaluation in `best`, calls `keep` for a new best, and stops the run at `patience`."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if "eval_loss" not in line or state.stop:  # already stopped by --retain-limit
            return
        is_best = best.add(state.at.step, line)
        if is_best and keep is not None:
            keep(state)
        if best.is_exhausted:
            state.stop = f"{best.waited} evaluations were not better than {best.shown()}"

    return watch


def metrics_writer(
    sink: TextIO, guard: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
) -> Watcher:
    """Writes the line as JSON, immediately, inside `guard()`."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        with guard():
            sink.write(json.dumps(line) + "\n")
            sink.flush()

    return watch


def progress_shower(progress: Progress) -> Watcher:
    """Shows loss, held-out loss and speed."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        held_out = {"held out": line["eval_loss"]} if "eval_loss" in line else {}
        held_out |= {"retained": line["retain_loss"]} if "retain_loss" in line else {}
        progress.update(state.at.step, {"loss": line["loss"], **held_out, "tokens/s": line["tokens_per_second"]})

    return watch


def saver(save: Callable[[LoopState], None], every: int | None) -> Watcher:
    """Saves a state every `every` steps, except after the last step, which the checkpoint follows."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if every is not None and state.at.step % every == 0 and not state.is_last:
            save(state)

    return watch


def stopper(interrupt: Interrupt) -> Watcher:
    """Ends the loop after a signal, on all processes after the same step."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if interrupt.is_agreed(state.world) and not state.stop:
            state.stop = "interrupted"

    return watch
