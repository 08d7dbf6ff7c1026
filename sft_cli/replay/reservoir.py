"""A random sample per task: each row gets a number from its content, and rows with the smallest numbers stay.

Bottom-k sampling, the mergeable form of Vitter's reservoir (Algorithm R, ACM TOMS 1985): the choice depends only on
the rows and the seed, not on the order of rows or files.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import groupby

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, draw_of
from sft_cli.replay.stored import Store, StoredRows

SPARE = 1000


class Reservoir:
    """The candidates of one task: the rows with the smallest draws, as many as could fit the budget.

    Each has its draw, its place in the store and its cost: only 24 bytes, because a fraction must keep them all.
    """

    def __init__(self, budget: Budget, store: Store, task: str = "") -> None:
        self.budget, self.store = budget, store
        self.most = budget.quotas.get(task, budget.amount)  # rows, or tokens if there are no quotas
        self.is_open = budget.fraction is not None and task not in budget.quotas  # it grows with every row
        self.draws, self.places, self.costs = array("d"), array("q"), array("q")
        self.limit = 2.0  # above every draw: at first every row is kept
        self.room = SPARE

    def offer(self, draw: float, row: Row) -> None:
        """Keep a row, unless there are already enough rows with smaller draws."""
        if draw > self.limit:
            return
        cost = self.budget.cost(row)
        if cost is None:
            return
        self.draws.append(draw)
        self.places.append(self.store.add(row))
        self.costs.append(cost)
        if len(self.draws) >= self.room and not self.is_open:
            self.trim()

    def trim(self) -> None:
        """Sort the candidates and drop those that the budget cannot reach."""
        order = self._order()
        used = 0
        for count, number in enumerate([] if self.is_open else order, start=1):
            used += self.costs[number]
            if used >= self.most:
                del order[count:]
                self.limit = self.draws[number]
                break
        self.draws = array("d", [self.draws[number] for number in order])
        self.places = array("q", [self.places[number] for number in order])
        self.costs = array("q", [self.costs[number] for number in order])
        self.room = 2 * len(order) + SPARE

    def _order(self) -> list[int]:
        """The candidates by their draws; equal contents have equal draws: they are sorted by text, then by place."""
        order = sorted(range(len(self.draws)), key=self.draws.__getitem__)
        settled: list[int] = []
        for _, group in groupby(order, key=self.draws.__getitem__):
            equal = list(group)
            if len(equal) > 1:
                equal.sort(key=lambda number: (self.store.line(self.places[number]), self.places[number]))
            settled += equal
        return settled


def reservoir(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures | None = None) -> Selection:
    """At random; rows wait on disk. Memory grows with the budget only; with a fraction by 24 bytes for each row."""
    tasks: dict[str, Reservoir] = {}
    selection, store = Selection(), Store()
    for row in rows:
        name = row.get("task", "")
        if name not in tasks:
            tasks[name] = Reservoir(budget, store, name)
        selection.count(name)
        tasks[name].offer(draw_of(row, seed), row)
    budget.settle(selection)
    for task in tasks.values():
        task.trim()
    counts = budget.allot(selection, {name: task.costs for name, task in tasks.items()})
    places = array("q")
    for name, count in counts.items():
        places += tasks[name].places[:count]
    selection.rows = StoredRows(store, sorted(places))
    return selection
