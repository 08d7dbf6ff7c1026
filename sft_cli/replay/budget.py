"""The number of rows of each task in a replay set, never more than the budget."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from sft_cli.data.rows import Row
from sft_cli.run.errors import UserError
from sft_cli.run.named import check_names
from sft_cli.run.text import counted


@dataclass
class TaskCount:
    """The number of rows of one task that were read and kept."""

    seen: int = 0
    kept: int = 0
    kept_cost: int = 0


@dataclass
class Selection:
    """The chosen rows in the order of the input, and the counts of each task."""

    rows: Sequence[Row] = ()
    tasks: dict[str, TaskCount] = field(default_factory=dict)
    total: int = 0  # the budget to fill

    def count(self, task: str) -> None:
        """Count one more row of a task."""
        self.tasks.setdefault(task, TaskCount()).seen += 1


@dataclass(frozen=True)
class Budget:
    """The size of a replay set: `amount` rows or tokens, or with `fraction` that share of all rows read.

    `cost` returns the size of a row in `unit`, or None for a row that cannot be chosen. A task with a quota (in rows)
    gets that many rows, or all that it has. The tasks without a quota share the rest: evenly, or with `proportional` in
    proportion to their rows. `quotas_only`: the quotas are the budget, and every task needs one.
    """

    amount: int = 0
    fraction: float | None = None
    unit: str = "rows"
    cost: Callable[[Row], int | None] = lambda row: 1
    quotas: Mapping[str, int] = field(default_factory=dict)
    quotas_only: bool = False
    proportional: bool = False

    def settle(self, selection: Selection) -> None:
        """Set the selection's budget in units when all rows are read; a fraction is rounded to the nearest, at least 1.

        Raises UserError for quotas that do not fit the rows.
        """
        seen = sum(count.seen for count in selection.tasks.values())
        selection.total = self.amount if self.fraction is None else max(1, round(self.fraction * seen))
        if self.quotas and seen:
            self._check_quotas(selection)

    def _check_quotas(self, selection: Selection) -> None:
        tasks = selection.tasks
        known = sorted(name for name in tasks if name)
        check_names("--per-task", (name for name in self.quotas if name not in tasks), known)
        missing = [name for name in tasks if name not in self.quotas]
        if self.quotas_only and missing:
            name, rows = missing[0], counted(tasks[missing[0]].seen, "row")
            cure = f"--per-task {name}=0 leaves it out" if name else "sft prep --task NAME sets the task of rows"
            raise UserError(
                f"--per-task: {name or 'rows without a task'} ({rows}) {'has' if name else 'have'} no quota; expected "
                f"one for each task, or --rows N as the total of all tasks\nhint: {cure}"
            )
        asked = sum(self.quotas.values())
        if asked > selection.total:
            raise UserError(f"--per-task: expected at most the {selection.total:,} rows of the budget, got {asked:,}")

    def reach(self, task: str, costs: Iterable[int], total: int) -> int:
        """The largest number of rows of a task that could be kept."""
        if task in self.quotas:
            return self.quotas[task]
        return sum(used <= total for used in accumulate(sorted(costs)))

    def allot(self, selection: Selection, costs: Mapping[str, Sequence[int]]) -> dict[str, int]:
        """The number of each task's first rows that are kept, from the cost of each; the selection counts them."""
        taken = {name: min(quota, len(costs[name])) for name, quota in self.quotas.items() if name in costs}
        free = {name: each for name, each in costs.items() if name not in taken}
        weights = {name: selection.tasks[name].seen for name in free} if self.proportional else None
        taken |= fill_shares(free, selection.total - sum(taken.values()), weights)
        for name, count in taken.items():
            selection.tasks[name].kept = count
            selection.tasks[name].kept_cost = sum(costs[name][:count])
        return taken


def fill_shares(
    costs: Mapping[str, Sequence[int]], budget: int, weights: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The number of each task's first costs that fit into the budget when all tasks get equal amounts.

    The task that has used least takes its next row (ties: by name). A task without enough rows therefore leaves the
    rest to the others, and two tasks with enough rows differ by less than one row. A task is finished when its next row
    does not fit: to take a shorter row instead would favour short rows. With `weights` the tasks get amounts in
    proportion to them: the task with the least (used + cost/2) / weight takes its next row (Sainte-Laguë).
    """
    taken = dict.fromkeys(costs, 0)
    left = budget

    def due(name: str, used: int) -> tuple[float, str, int]:
        after = used + costs[name][taken[name]] / 2 if weights and taken[name] < len(costs[name]) else used
        return (after / weights[name] if weights else used), name, used

    waiting = [due(name, 0) for name in costs]
    heapq.heapify(waiting)
    while waiting:
        _, name, used = heapq.heappop(waiting)
        if taken[name] == len(costs[name]):
            continue
        cost = costs[name][taken[name]]
        if cost <= left:
            taken[name] += 1
            left -= cost
            heapq.heappush(waiting, due(name, used + cost))
    return taken
