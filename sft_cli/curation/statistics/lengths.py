"""How long questions and answers are, in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, quantiles, rows_share


@dataclass
class LengthFigures(StatisticsFigures):
    """Words of questions and answers: quantiles, and rows by length."""

    questions: Counter[int] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)

    def see(self, seen: SeenRow) -> None:
        """Count the words."""
        self.answers[len(seen.answer_words)] += 1
        if seen.question:
            self.questions[len(seen.question_words)] += 1

    def values(self) -> Values:
        """Quantiles; `histogram` has the rows of each length, doubling from bin to bin."""
        return {
            "words_of_questions": quantiles(self.questions),
            "words_of_answers": quantiles(self.answers),
            "histogram_of_questions": bins_by_doubling(self.questions),
            "histogram_of_answers": bins_by_doubling(self.answers),
        }


def bins_by_doubling(counts: Counter[int]) -> list[Values]:
    """Rows with 0, 1, 2, 3–4, 5–8, 9–16, … words; up to the largest."""
    if not counts:
        return []
    edges = [0, 1, 2]
    while edges[-1] < max(counts):
        edges.append(2 * edges[-1])
    found, low = [], 0
    for high in edges:
        rows = sum(number for value, number in counts.items() if low <= value <= high)
        name = f"{high:,}" if low == high else f"{low:,}–{high:,}"
        found.append({"text": name, **rows_share(rows, counts.total())})
        low = high + 1
    return found
