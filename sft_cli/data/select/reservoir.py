"""A random sample per task: each row draws a number from its content, and the smallest numbers stay.

Bottom-k sampling, the mergeable form of Vitter's reservoir (Algorithm R, ACM TOMS 1985): which rows are chosen
depends on the rows and the seed alone, not on the order of rows or files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sft_cli.data.rows import Row, content_key
from sft_cli.data.select.budget import Budget, Selection, TaskCount, share
from sft_cli.run.jsonl import as_line
from sft_cli.run.seed import uniform

SPARE = 1000


class Candidate(NamedTuple):
    """A row that may be chosen; candidates sort by their draw, equal contents by their text."""

    draw: float
    line: str
    place: int
    row: Row
    cost: int


class Reservoir:
    """The candidates of one task: those with the smallest draws, as many as could ever fit the budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.candidates: list[Candidate] = []
        self.limit = 2.0  # above every draw: no row is too late yet
        self.room = SPARE

    def offer(self, draw: float, place: int, row: Row) -> None:
        """Keep a row, unless enough rows with smaller draws are kept already."""
        if draw > self.limit:
            return
        cost = self.budget.cost(row)
        if cost is None:
            return
        self.candidates.append(Candidate(draw, as_line(row), place, row, cost))
        if len(self.candidates) >= self.room:
            self.trim()

    def trim(self) -> None:
        """Sort the candidates and drop those that the budget cannot reach."""
        self.candidates.sort(key=lambda candidate: candidate[:3])
        if self.budget.fraction is not None:
            self.room = 2 * len(self.candidates) + SPARE  # the budget grows with every row: nothing can go yet
            return
        used = 0
        for count, candidate in enumerate(self.candidates, start=1):
            used += candidate.cost
            if used >= self.budget.amount:
                del self.candidates[count:]
                self.limit = candidate.draw
                break
        self.room = 2 * len(self.candidates) + SPARE


def reservoir(rows: Iterable[Row], budget: Budget, seed: int) -> Selection:
    """Choose rows at random, the budget shared evenly by the tasks; memory grows with the budget, not the rows."""
    tasks: dict[str, Reservoir] = {}
    selection = Selection()
    place = 0
    for place, row in enumerate(rows, start=1):
        name = row.get("task", "")
        if name not in tasks:
            tasks[name] = Reservoir(budget)
            selection.tasks[name] = TaskCount()
        selection.tasks[name].seen += 1
        tasks[name].offer(uniform("replay", seed, content_key(row)), place, row)
    selection.total = budget.total(place)
    for task in tasks.values():
        task.trim()
    costs = {name: [candidate.cost for candidate in task.candidates] for name, task in tasks.items()}
    chosen: list[Candidate] = []
    for name, count in share(costs, selection.total).items():
        selection.tasks[name].kept = count
        selection.tasks[name].kept_cost = sum(costs[name][:count])
        chosen += tasks[name].candidates[:count]
    selection.rows = [candidate.row for candidate in sorted(chosen, key=lambda candidate: candidate.place)]
    return selection
