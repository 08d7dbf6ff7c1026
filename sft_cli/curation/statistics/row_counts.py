"""Rows, turns, tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.row_parts import turns_of
from sft_cli.curation.statistics.figure import (
    MOST_NAMES,
    SeenRow,
    StatisticsFigures,
    Values,
    entries,
    quantiles,
    rows_share,
)

MOST_TASKS_SHOWN = 20


@dataclass
class RowFigures(StatisticsFigures):
    """Rows, turns and tasks: how many, of which kind."""

    turns: Counter[int] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    raw: int = 0
    unanswered: int = 0
    has_system: int = 0

    def see(self, seen: SeenRow) -> None:
        """Count the row."""
        row = seen.row
        self.turns[turns_of(row)] += 1
        self.raw += "text" in row
        messages = row.get("messages") or []
        self.has_system += any(turn["role"] == "system" for turn in messages)
        is_open = bool(messages) and messages[-1]["role"] != "assistant"
        self.unanswered += is_open and not any(row.get(key) for key in ("references", "choices", "answer"))
        if len(self.tasks) <= MOST_NAMES:
            self.tasks[str(row.get("task") or "")] += 1

    def values(self) -> Values:
        """Numbers of rows by kind."""
        rows = self.turns.total()
        named = Counter({name: number for name, number in self.tasks.items() if name})
        is_known = len(self.tasks) <= MOST_NAMES
        largest = max(named.values(), default=0)
        return {
            "rows": rows,
            "raw_text": rows_share(self.raw, rows),
            "without_an_answer": rows_share(self.unanswered, rows),
            "with_a_system_turn": rows_share(self.has_system, rows),
            "turns": quantiles(self.turns),
            "tasks": len(named) if is_known else None,
            "largest_task": rows_share(largest, rows) if is_known and len(named) > 1 else None,
            "rows_by_task": entries(named.items(), rows, MOST_TASKS_SHOWN) if is_known else [],
        }
