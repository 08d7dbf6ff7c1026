"""How much of each task a replay set takes: as equal as the rows allow, and never more than the budget."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from sft_cli.data.rows import Row


@dataclass(frozen=True)
class Budget:
    """What a replay set may hold: `amount` rows or tokens, or with `fraction` that part of all rows read.

    `cost` gives a row's size in `unit`, or None for a row that cannot be chosen.
    """

    amount: int = 0
    fraction: float | None = None
    unit: str = "rows"
    cost: Callable[[Row], int | None] = lambda row: 1

    def total(self, rows_seen: int) -> int:
        """The budget in units, once all rows are read; a fraction of a row rounds to the nearest, at least 1."""
        return self.amount if self.fraction is None else max(1, round(self.fraction * rows_seen))


@dataclass
class TaskCount:
    """How much of one task was read and kept."""

    seen: int = 0
    kept: int = 0
    kept_cost: int = 0


@dataclass
class Selection:
    """The chosen rows in the order of the input, and what became of each task."""

    rows: list[Row] = field(default_factory=list)
    tasks: dict[str, TaskCount] = field(default_factory=dict)
    total: int = 0  # the budget that was to be filled


def share(costs: dict[str, list[int]], budget: int) -> dict[str, int]:
    """How many of each task's costs, from the front, fit into the budget when the tasks fill evenly.

    The task that has used least takes its next row (ties: by name), so that a task without enough rows leaves the
    rest to the others, and two tasks with rows to spare differ by less than one row. A task whose next row does
    not fit any more is done: taking a shorter one instead would favour short rows.
    """
    taken = dict.fromkeys(costs, 0)
    left = budget
    waiting = [(0, name) for name in costs]
    heapq.heapify(waiting)
    while waiting:
        used, name = heapq.heappop(waiting)
        if taken[name] == len(costs[name]):
            continue
        cost = costs[name][taken[name]]
        if cost <= left:
            taken[name] += 1
            left -= cost
            heapq.heappush(waiting, (used + cost, name))
    return taken
