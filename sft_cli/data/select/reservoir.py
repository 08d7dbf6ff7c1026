"""A random sample per task: each row draws a number from its content, and the smallest numbers stay.

Bottom-k sampling, the mergeable form of Vitter's reservoir (Algorithm R, ACM TOMS 1985): which rows are chosen
depends on the rows and the seed alone, not on the order of rows or files.
"""

from __future__ import annotations

from collections.abc import Iterable

from sft_cli.data.rows import Row
from sft_cli.data.select.budget import Budget, Selection
from sft_cli.data.select.candidates import Candidate, Measures, choose, draw_of
from sft_cli.run.jsonl import as_line

SPARE = 1000


class Reservoir:
    """The candidates of one task: those with the smallest draws, as many as could ever fit the budget."""

    def __init__(self, budget: Budget, task: str = "") -> None:
        self.budget = budget
        self.most = budget.quotas.get(task, budget.amount)  # rows, or tokens where there are no quotas
        self.is_open = budget.fraction is not None and task not in budget.quotas  # it grows with every row
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
        used = 0
        for count, candidate in enumerate([] if self.is_open else self.candidates, start=1):
            used += candidate.cost
            if used >= self.most:
                del self.candidates[count:]
                self.limit = candidate.draw
                break
        self.room = 2 * len(self.candidates) + SPARE


def reservoir(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures | None = None) -> Selection:
    """At random; memory grows with the budget, not with the rows (but for a fraction)."""
    tasks: dict[str, Reservoir] = {}
    selection = Selection()
    for place, row in enumerate(rows, start=1):
        name = row.get("task", "")
        if name not in tasks:
            tasks[name] = Reservoir(budget, name)
        selection.count(name)
        tasks[name].offer(draw_of(row, seed), place, row)
    budget.settle(selection)
    for task in tasks.values():
        task.trim()
    return choose(selection, {name: task.candidates for name, task in tasks.items()}, budget)
