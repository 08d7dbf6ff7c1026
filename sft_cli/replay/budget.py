"""How much of each task a replay set takes, and never more than the budget."""

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
    """How much of one task was read and kept."""

    seen: int = 0
    kept: int = 0
    kept_cost: int = 0


@dataclass
class Selection:
    """The chosen rows in the order of the input, and what became of each task."""

    rows: Sequence[Row] = ()
    tasks: dict[str, TaskCount] = field(default_factory=dict)
    total: int = 0  # the budget that was to be filled

    def count(self, task: str) -> None:
        """One more row of a task was read."""
        self.tasks.setdefault(task, TaskCount()).seen += 1


@dataclass(frozen=True)
class Budget:
    """What a replay set may hold: `amount` rows or tokens, or with `fraction` that part of all rows read.

    `cost` gives a row's size in `unit`, or None for a row that cannot be chosen. A task with a quota (in rows) gets
    that many, or all that it has; the tasks without one share the rest: evenly, or with `proportional` as their rows
    are many. `quotas_only`: the quotas are the budget, and every task needs one.
    """

    amount: int = 0
    fraction: float | None = None
    unit: str = "rows"
    cost: Callable[[Row], int | None] = lambda row: 1
    quotas: Mapping[str, int] = field(default_factory=dict)
    quotas_only: bool = False
    proportional: bool = False

    def settle(self, selection: Selection) -> None:
        """Set the selection's budget in units, once all rows are read; a fraction rounds to the nearest, at least 1.

        Raises UserError for quotas that do not go with the rows.
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
            cure = f"--per-task {name}=0 leaves it out" if name else "sft prep --task NAME gives rows one"
            raise UserError(
                f"--per-task: {name or 'rows without a task'} ({rows}) {'has' if name else 'have'} no quota; expected "
                f"one for each task, or --rows for all together\nhint: {cure}"
            )
        asked = sum(self.quotas.values())
        if asked > selection.total:
            raise UserError(f"--per-task: expected at most the {selection.total:,} rows of the budget, got {asked:,}")

    def reach(self, task: str, costs: Iterable[int], total: int) -> int:
        """How many rows of a task could be kept at the very most."""
        if task in self.quotas:
            return self.quotas[task]
        return sum(used <= total for used in accumulate(sorted(costs)))

    def allot(self, selection: Selection, costs: Mapping[str, Sequence[int]]) -> dict[str, int]:
        """How many of each task's rows are kept, from the front, given what each costs; the selection counts them."""
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
    """How many of each task's costs, from the front, fit into the budget when the tasks fill evenly.

    The task that has used least takes its next row (ties: by name), so that a task without enough rows leaves the
    rest to the others, and two tasks with rows to spare differ by less than one row. A task whose next row does
    not fit any more is done: taking a shorter one instead would favour short rows. With `weights` the tasks fill in
    proportion to them: the task takes its next row whose (used + cost/2) / weight is least (Sainte-Laguë).
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
