"""Rows that can be chosen, in an order that does not depend on the order of reading, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sft_cli.data.rows import Row, content_key
from sft_cli.replay.budget import Budget, Selection
from sft_cli.run.jsonl import as_line
from sft_cli.run.seed import stable_hash, uniform

if TYPE_CHECKING:
    import numpy as np


class Candidate(NamedTuple):
    """A row that can be chosen; candidates are sorted by their draw, equal contents by their text."""

    draw: float
    line: str
    place: int
    row: Row
    cost: int


def draw_of(row: Row, seed: int) -> float:
    """A random number in [0, 1) that depends only on the row's content."""
    return uniform("replay", seed, content_key(row))


@dataclass(frozen=True)
class Measures:
    """Functions that measure rows with a model. The command passes them, because this room loads no model.

    embeddings: rows -> (N, d) float32, each of length 1. losses: rows -> (N,), nats per target token. `new_rows` are
    the rows of the new task.
    """

    embeddings: Callable[[list[Row]], np.ndarray]
    losses: Callable[[list[Row]], np.ndarray]
    new_rows: Sequence[Row] = ()
    clusters: int = 20


@dataclass(frozen=True)
class Task:
    """The rows of one task to put in order; at most `most` of them can be kept."""

    name: str
    rows: list[Row]
    most: int
    seed: int  # of the task: the random numbers of one task do not depend on other tasks


def ranked(
    rows: Iterable[Row], budget: Budget, seed: int, rank: Callable[[Task], Sequence[int] | np.ndarray]
) -> Selection:
    """Choose from each task the first rows in the order of `rank` (which may return only the first `most`).

    All rows are kept in memory. The arguments of `rank` do not depend on the order of the input.
    """
    tasks: dict[str, list[Candidate]] = {}
    selection = Selection()
    for place, row in enumerate(rows, start=1):
        name = row.get("task", "")
        selection.count(name)
        cost = budget.cost(row)
        if cost is not None:
            tasks.setdefault(name, []).append(Candidate(draw_of(row, seed), as_line(row), place, row, cost))
    budget.settle(selection)
    rankings: dict[str, list[Candidate]] = {}
    for name in sorted(tasks):
        candidates = sorted(tasks[name], key=lambda candidate: candidate[:3])
        most = min(budget.reach(name, [c.cost for c in candidates], selection.total), len(candidates))
        order = rank(Task(name, [c.row for c in candidates], most, stable_hash(seed, name))) if most else []
        rankings[name] = [candidates[int(i)] for i in order]
    counts = budget.allot(selection, {name: [c.cost for c in candidates] for name, candidates in rankings.items()})
    chosen = [candidate for name, count in counts.items() for candidate in rankings[name][:count]]
    selection.rows = [candidate.row for candidate in sorted(chosen, key=lambda candidate: candidate.place)]
    return selection
