"""Answers that a filter of `sft prep` would drop, and answers with nearly no words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.filters.copy import CopyFilter
from sft_cli.curation.filters.markup import MarkupFilter
from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.filters.refusal import RefusalFilter
from sft_cli.curation.filters.repetition import RepetitionFilter
from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, entries, rows_share

FEW_WORDS = 2
FILTERS_SHOWN: dict[str, RowFilter] = {
    "refusals": RefusalFilter(),
    "loops": RepetitionFilter(),
    "copies_of_the_question": CopyFilter(),
    "broken_markup": MarkupFilter(),
}


@dataclass
class DefectFigures(StatisticsFigures):
    """Answers: empty and very short ones, and those that a filter with its default options would drop."""

    rows: int = 0
    empty: int = 0
    short: int = 0
    found: Counter[str] = field(default_factory=Counter)
    markup: Counter[str] = field(default_factory=Counter)  # by what is broken

    def see(self, seen: SeenRow) -> None:
        """Ask each filter."""
        self.rows += 1
        is_empty = not any(map(str.isalnum, seen.answer))
        self.empty += is_empty
        self.short += not is_empty and len(seen.answer_words) <= FEW_WORDS
        for name, each in FILTERS_SHOWN.items():
            if problem := each.problem(seen.row):
                self.found[name] += 1
                if name == "broken_markup":
                    self.markup[problem.removeprefix("answer has ")] += 1

    def values(self) -> Values:
        """Rows with each defect."""
        return {
            "without_letters_and_digits": rows_share(self.empty, self.rows),
            "of_one_or_two_words": rows_share(self.short, self.rows),
            **{name: rows_share(self.found[name], self.rows) for name in FILTERS_SHOWN},
            "markup": entries(self.markup.items(), self.rows, len(self.markup)),
        }
