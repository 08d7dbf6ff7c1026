"""Trackers as watchers: they get each line of metrics, and cannot end a run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.training.loop import LoopState, Watcher
from sft_cli.training.plan.steps import Step
from sft_cli.training.tables import TRACKERS


def scalars(line: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics, except its step; those of nested objects as `task_loss/NAME`."""
    numbers: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, dict):
            numbers |= {f"{name}/{key}": number for key, number in scalars(value).items()}
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and name != "step":
            numbers[name] = value
    return numbers


class TrackedRun(NamedTuple):
    """The facts of a run for a tracker: its name (empty: that of `out`), its output, settings, and the first step."""

    name: str
    out: Path
    settings: dict[str, Any]
    first_step: int


@contextlib.contextmanager
def tracking(names: list[str], run: TrackedRun, warn: Callable[[str], None]) -> Iterator[list[Watcher]]:
    """Watchers for the trackers of these names; at the end of the run they learn whether it failed.

    A tracker that raises is left out from then on, with one line on stderr, and the run continues. The output of a
    client to stdout goes to stderr, because stdout is the result of the command.
    """
    trackers: dict[str, Any] = {}

    def attempt(name: str, act: Callable[[], Any]) -> Any:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return act()
        except Exception as error:
            trackers.pop(name, None)
            first = (str(error).strip() or type(error).__name__).split("\n")[0]
            warn(f"--track {name}: {first}; the run continues without this tracker")

    def start(name: str) -> Any:
        return TRACKERS.load(name)(
            run.name or run.out.name, run.out.parent / "tensorboard", run.settings, run.first_step
        )

    def watch(state: LoopState, step: Step, line: dict[str, Any]) -> None:
        values = scalars(line)
        for name, tracker in list(trackers.items()):
            attempt(name, partial(tracker.log, line["step"], values))

    for name in dict.fromkeys(names):
        tracker = attempt(name, partial(start, name))
        if tracker is not None:
            trackers[name] = tracker
    failed = True
    try:
        yield [watch] if trackers else []
        failed = False
    finally:
        for name, tracker in list(trackers.items()):
            attempt(name, partial(tracker.close, failed))
