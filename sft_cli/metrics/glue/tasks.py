"""The tasks of GLUE and SuperGLUE with their official measures, and the sums that these need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.correlation import MOMENTS, pearson
from sft_cli.run.registry import fold


class OfficialTask(NamedTuple):
    """A task: its official measures, its number of classes, and the class whose F1 counts (the place of its choice)."""

    measures: tuple[str, ...]
    classes: int = 2
    positive: int = 1


ACCURACY = ("accuracy",)
GLUE = {
    "cola": OfficialTask(("mcc",)),
    "sst2": OfficialTask(ACCURACY),
    "mrpc": OfficialTask(("f1", "accuracy")),
    "stsb": OfficialTask(("pearson", "spearman")),
    "qqp": OfficialTask(("f1", "accuracy")),
    "mnli": OfficialTask(ACCURACY, classes=3),
    "mnli-mismatched": OfficialTask(ACCURACY, classes=3),
    "qnli": OfficialTask(ACCURACY),
    "rte": OfficialTask(ACCURACY),
    "wnli": OfficialTask(ACCURACY),
}
SUPERGLUE = {
    "boolq": OfficialTask(ACCURACY),
    "cb": OfficialTask(("macro_f1", "accuracy"), classes=3),
    "copa": OfficialTask(ACCURACY),
    "multirc": OfficialTask(("f1a", "em"), positive=0),  # the first choice of `sft prep --benchmark` is “right”
    "record": OfficialTask(("f1", "em")),
    "rte": OfficialTask(ACCURACY),
    "wic": OfficialTask(ACCURACY),
    "wsc": OfficialTask(ACCURACY),
}
# GLUE counts the two test sets of MNLI as one task.
TOGETHER = {"mnli-mismatched": "mnli"}


def task_named(name: Any, tasks: Mapping[str, OfficialTask]) -> str | None:
    """The task of a row's field `task`, without regard to case and hyphens: `SST-2` is `sst2`; None for another."""
    folded = fold(name) if isinstance(name, str) else None
    return next((task for task in tasks if fold(task) == folded), None)


def class_sums(gold: int, read: int | None, task: OfficialTask) -> dict[str, float]:
    """The sums of one classified row. In a task of two classes an answer that names no class is the wrong class."""
    if read is None and task.classes == 2:
        read = 1 - gold
    sums: dict[str, float] = {"rows": 1, "right": int(gold == read)}
    for place in range(task.classes):
        sums |= {f"gold{place}": int(gold == place), f"read{place}": int(read == place)}
        sums[f"both{place}"] = int(gold == read == place)
    return sums


def sums_of_task(name: str, task: OfficialTask) -> tuple[str, ...]:
    """The names of the sums that the measures of a task need."""
    if name == "stsb":
        return ("rows", *MOMENTS, *(f"rank_{part}" for part in MOMENTS))
    if name == "record":
        return ("rows", "f1", "em")
    extra = ("questions", "whole_questions") if name == "multirc" else ()
    classes = [f"{part}{place}" for place in range(task.classes) for part in ("gold", "read", "both")]
    return ("rows", "right", *classes, *extra)


def f1_of_class(sums: Mapping[str, Any], place: int) -> Any:
    """F1 of one class; 0 if it is neither right nor read in any row."""
    return ratio(2 * sums[f"both{place}"], sums[f"gold{place}"] + sums[f"read{place}"])


def macro_f1(sums: Mapping[str, Any], classes: int) -> Any:
    """The mean F1 of the classes that are right or read in some row."""
    present = sum((sums[f"gold{place}"] + sums[f"read{place}"] > 0) * 1 for place in range(classes))
    return ratio(sum(f1_of_class(sums, place) for place in range(classes)), present)


def binary_mcc(sums: Mapping[str, Any]) -> Any:
    """Matthews' correlation of two classes; 0 if a class is never right or never read."""
    gold, read, rows = sums["gold1"], sums["read1"], sums["rows"]
    spread = (gold * (rows - gold) * read * (rows - read)) ** 0.5
    return ratio(sums["both1"] * rows - gold * read, spread)


def official_values(name: str, task: OfficialTask, sums: Mapping[str, Any]) -> dict[str, Any]:
    """The official measures of a task by their names, from its sums: numbers or arrays; NaN without rows."""
    rows = sums["rows"]
    ranks = {part: sums[f"rank_{part}"] for part in MOMENTS} if name == "stsb" else {}
    measures: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: share(sums["right"], rows),
        "mcc": lambda: binary_mcc(sums) + share(0 * rows, rows),
        "f1": lambda: share(sums["f1"], rows) if name == "record" else f1_of_class(sums, 1) + share(0 * rows, rows),
        "f1a": lambda: f1_of_class(sums, task.positive) + share(0 * rows, rows),
        "macro_f1": lambda: macro_f1(sums, task.classes) + share(0 * rows, rows),
        "em": lambda: (
            share(sums["em"], rows) if name == "record" else share(sums["whole_questions"], sums["questions"])
        ),
        "pearson": lambda: pearson(sums, rows),
        "spearman": lambda: pearson(ranks, rows),
    }
    return {measure: measures[measure]() for measure in task.measures}
