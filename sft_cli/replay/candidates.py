"""Rows that may be chosen, in an order that does not depend on how they were read, and the choice among them."""

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
    """A row that may be chosen; candidates sort by their draw, equal contents by their text."""

    draw: float
    line: str
    place: int
    row: Row
    cost: int


def draw_of(row: Row, seed: int) -> float:
    """A random number in [0, 1) of the row's content alone."""
    return uniform("replay", seed, content_key(row))


@dataclass(frozen=True)
class Measures:
    """What a model says of rows, as arrays: given by the command, since this room knows no model.

    embeddings: rows -> (N, d) float32, each of length 1. losses: rows -> (N,), nats per target token. `new_rows` are
    rows of the new task.
    """

    embeddings: Callable[[list[Row]], np.ndarray]
    losses: Callable[[list[Row]], np.ndarray]
    new_rows: Sequence[Row] = ()
    clusters: int = 20


@dataclass(frozen=True)
class Task:
    """The rows of one task that are to be put in order, of which `most` can be kept at the very most."""

    name: str
    rows: list[Row]
    most: int
    seed: int  # of the task: random numbers of one do not depend on the others


def ranked(
    rows: Iterable[Row], budget: Budget, seed: int, rank: Callable[[Task], Sequence[int] | np.ndarray]
) -> Selection:
    """Choose of each task the first rows of the order that `rank` puts them in (its `most` first ones will do).

    All rows are held in memory. What `rank` is given does not depend on the order of the input.
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
    found: dict[str, list[Candidate]] = {}
    for name in sorted(tasks):
        candidates = sorted(tasks[name], key=lambda candidate: candidate[:3])
        most = min(budget.reach(name, [c.cost for c in candidates], selection.total), len(candidates))
        order = rank(Task(name, [c.row for c in candidates], most, stable_hash(seed, name))) if most else []
        found[name] = [candidates[int(i)] for i in order]
    counts = budget.allot(selection, {name: [c.cost for c in candidates] for name, candidates in found.items()})
    chosen = [candidate for name, count in counts.items() for candidate in found[name][:count]]
    selection.rows = [candidate.row for candidate in sorted(chosen, key=lambda candidate: candidate.place)]
    return selection
