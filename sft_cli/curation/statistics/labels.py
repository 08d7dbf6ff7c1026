"""How balanced the answers of a source are, if they are labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.statistics.figure import MOST_NAMES, SeenRow, StatisticsFigures, Values, entries

MOST_LABEL_TEXTS = 50
LONGEST_LABEL = 10  # words
FEWEST_ROWS = 5  # of a label on average; with fewer the answers are few only because there are few rows
MOST_SOURCES_WITH_LABELS = 10


@dataclass
class LabelFigures(StatisticsFigures):
    """The labels of each source whose answers are few, short and frequent.

    A source has labels if it has at most 50 different answers, each of at most 10 words, with 5 rows each on average.
    """

    answers: dict[str, Counter[str] | None] = field(default_factory=dict)  # None: the answers are no labels

    def see(self, seen: SeenRow) -> None:
        """Count the answer for its source."""
        source = seen.source
        if len(self.answers) > MOST_NAMES:
            return
        counts = self.answers.setdefault(source, Counter())
        if counts is None:
            return
        counts[seen.answer.strip()] += 1
        if len(counts) > MOST_LABEL_TEXTS or len(seen.answer_words) > LONGEST_LABEL:
            self.answers[source] = None

    def values(self) -> Values:
        """The labels of each source with their rows; the largest share of a label in a source."""
        if len(self.answers) > MOST_NAMES:
            return {}
        found: Values = {}
        shares = []
        for source in sorted(self.answers):
            counts = self.answers[source]
            if not counts or len(counts) < 2 or counts.total() < FEWEST_ROWS * len(counts):
                continue
            if len(found) < MOST_SOURCES_WITH_LABELS:
                found[f"labels_of_{source}"] = entries(counts.items(), counts.total(), MOST_LABEL_TEXTS)
            shares.append((max(counts.values()) / counts.total(), counts.total()))
        # How far the most frequent label of a source is above an equal share is what a model learns first.
        return {"most_frequent_label": {"share": max(shares)[0]}, **found} if shares else {}
