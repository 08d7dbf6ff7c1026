"""What happens after every step: the held-out loss, the line of metrics, the progress on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TextIO

from sft_cli.run.progress import Progress
from sft_cli.training.batches import Step
from sft_cli.training.loop import LoopState, Watcher


def evaluator(evaluate: Callable[[], dict[str, Any]], every: int | None) -> Watcher:
    """Adds what `evaluate` gives after each epoch, after the last step, and every `every` steps."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        if step.ends_epoch or state.is_last or (every is not None and state.at.step % every == 0):
            line |= evaluate()

    return watch


def metrics_writer(sink: TextIO) -> Watcher:
    """Writes the line as JSON, at once."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        sink.write(json.dumps(line) + "\n")
        sink.flush()

    return watch


def progress_shower(progress: Progress) -> Watcher:
    """Shows loss, held-out loss and speed."""

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        held_out = {"held out": line["eval_loss"]} if "eval_loss" in line else {}
        progress.update(state.at.step, {"loss": line["loss"], **held_out, "tokens/s": line["tokens_per_second"]})

    return watch
