"""Rows, turns, sources."""

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

MOST_SOURCES_LISTED = 20


@dataclass
class RowFigures(StatisticsFigures):
    """Rows, turns and sources: how many, of which kind."""

    turns: Counter[int] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
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
        if len(self.sources) <= MOST_NAMES:
            self.sources[seen.source] += 1

    def values(self) -> Values:
        """Numbers of rows by kind."""
        rows = self.turns.total()
        is_known = len(self.sources) <= MOST_NAMES
        largest = max(self.sources.values(), default=0)
        return {
            "rows": rows,
            "raw_text": rows_share(self.raw, rows),
            "without_an_answer": rows_share(self.unanswered, rows),
            "with_a_system_turn": rows_share(self.has_system, rows),
            "turns": quantiles(self.turns),
            "sources": len(self.sources) if is_known else None,
            "largest_source": rows_share(largest, rows) if is_known and len(self.sources) > 1 else None,
            "rows_by_source": entries(self.sources.items(), rows, MOST_SOURCES_LISTED) if is_known else [],
        }
