"""Ways of not forgetting, as flags of `sft train`, and the strengths that each may be tuned over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One step of a sequence: a model that knows old tasks is to learn a new one.

    old: rows of old tasks that importance may be measured on. buffer: the few of them that are kept. rate: the peak
    learning rate, which a method may multiply. column: flags that shape a progressive column.
    """

    model: Path
    new: Path
    old: Path
    buffer: Path
    rate: float
    new_task: str
    column: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Method:
    """What is added to `sft train`: `flags(step, knob)` for each knob of the grid; `data` are the rows it trains on.

    keeps_base: old tasks are served by the column `base`, which is the model as it was. after: flags of `sft export`.
    record: the importance that is recorded while a task is learned, for the next one. merges: what is trained is an
    adapter, which the next task finds merged.
    """

    grid: tuple[float, ...]
    flags: Callable[[Step, float], list[Any]]
    data: Callable[[Step], list[Path]] = lambda step: [step.new]
    keeps_base: bool = False
    record: str = ""
    merges: bool = False
    after: Callable[[Step, float], list[Any]] | None = None


FACTORS = (1.0, 3.0, 10.0, 30.0)  # of the rate, for adapters, which want a higher one than whole weights
MARGIN = 0.02  # of the new task that a method may cost, to be chosen


def keeps_most(tried: Sequence[T], new: Callable[[T], float], kept: Callable[[T], float], best_new: float) -> T:
    """Of the settings that learn the new task nearly as well as naive training at its best, the one that keeps most.

    If none learns it, the one that learns most.
    """
    learned = [each for each in tried if new(each) >= best_new - MARGIN]
    return max(learned, key=kept) if learned else max(tried, key=new)


def rate(step: Step, factor: float = 1.0) -> list[Any]:
    """The learning rate, as flags."""
    return ["--learning-rate", f"{step.rate * factor:.6g}"]


def mixed(step: Step, share: float) -> list[Any]:
    """The new task's share of each step, and that of replayed rows."""
    return [*rate(step), "--mix", f"{step.new_task}={1 - share:g}", "--mix", f"replay={share:g}"]


def pulled(name: str, *more: Any) -> Callable[[Step, float], list[Any]]:
    """A regularizer at a strength."""
    return lambda step, knob: [*rate(step), "--regularizer", name, "--strength", knob, *more]


METHODS = {
    "naive": Method((1.0, 10.0, 0.2, 0.1), rate),
    "freeze-bottom": Method((1, 2), lambda step, knob: [*rate(step), "--freeze-bottom", int(knob)]),
    "lora": Method(
        FACTORS,
        lambda step, knob: [*rate(step, knob), "--adapter", "lora", "--rank", 8],
        merges=True,
    ),
    "osf": Method(FACTORS, lambda step, knob: [*rate(step, knob), "--adapter", "osf"], merges=True),
    "interpolate": Method(
        (0.8, 0.6, 0.5, 0.4), lambda step, knob: rate(step), after=lambda step, knob: ["--interpolate", knob]
    ),
    "l2-sp": Method((0.03, 0.1, 0.3, 1.0), pulled("l2-sp")),
    "ewc": Method(
        (0.03, 0.1, 0.3, 1.0),
        lambda step, knob: [*pulled("ewc")(step, knob), "--importance-data", step.old],
        record="ewc",
    ),
    "si": Method((0.03, 0.1, 0.3, 1.0), pulled("si"), record="si"),
    "distill-new": Method(
        (0.1, 0.3, 1.0, 3.0), lambda step, knob: [*pulled("kl")(step, knob), "--anchor-data", step.new]
    ),
    "kl-replay": Method(
        (0.3, 1.0, 3.0, 10.0),
        lambda step, knob: [*pulled("kl")(step, knob), "--anchor-data", step.buffer],
    ),
    "replay": Method((0.05, 0.1, 0.2, 0.3), mixed, lambda step: [step.new, step.buffer]),
    "multi-task": Method((1.0,), rate, lambda step: [step.new, step.old]),
    "replay+ewc": Method(
        (0.03, 0.1, 0.3, 1.0),
        lambda step, knob: [
            *mixed(step, 0.1),
            *("--regularizer", "ewc", "--strength", knob, "--importance-data", step.old),
        ],
        lambda step: [step.new, step.buffer],
        record="ewc",
    ),
    "progressive": Method(
        FACTORS,
        lambda step, knob: [
            *rate(step, knob),
            *("--adapter", "progressive", "--column-name", step.new_task, *step.column),
        ],
        keeps_base=True,
    ),
    "progressive-lora": Method(
        FACTORS,
        lambda step, knob: [
            *rate(step, knob),
            *("--adapter", "progressive-lora", "--rank", 8, "--column-name", step.new_task),
        ],
        keeps_base=True,
    ),
}
