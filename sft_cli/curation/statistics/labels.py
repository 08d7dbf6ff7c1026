"""How balanced the answers of a task are, if they are labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sft_cli.curation.statistics.figure import MOST_NAMES, SeenRow, StatisticsFigures, Values, entries

MOST_LABELS = 50
LONGEST_LABEL = 10  # words
FEWEST_ROWS = 5  # of a label on average; with fewer the answers are few only because there are few rows
MOST_TASKS_WITH_LABELS = 10


@dataclass
class LabelFigures(StatisticsFigures):
    """The labels of each task whose answers are few, short and frequent.

    A task has labels if it has at most 50 different answers, each of at most 10 words, with 5 rows each on average.
    """

    answers: dict[str, Counter[str] | None] = field(default_factory=dict)  # None: the answers are no labels

    def see(self, seen: SeenRow) -> None:
        """Count the answer for its task."""
        task = str(seen.row.get("task") or "")
        if len(self.answers) > MOST_NAMES:
            return
        counts = self.answers.setdefault(task, Counter())
        if counts is None:
            return
        counts[seen.answer.strip()] += 1
        if len(counts) > MOST_LABELS or len(seen.answer_words) > LONGEST_LABEL:
            self.answers[task] = None

    def values(self) -> Values:
        """The labels of each task with their rows; the largest share of a label in a task."""
        if len(self.answers) > MOST_NAMES:
            return {}
        found: Values = {}
        shares = []
        for task in sorted(self.answers):
            counts = self.answers[task]
            if not counts or len(counts) < 2 or counts.total() < FEWEST_ROWS * len(counts):
                continue
            if len(found) < MOST_TASKS_WITH_LABELS:
                found[f"labels_of_{task}" if task else "labels"] = entries(counts.items(), counts.total(), MOST_LABELS)
            shares.append((max(counts.values()) / counts.total(), counts.total()))
        # How far the most frequent label of a task is above an equal share is what a model learns first.
        return {"most_frequent_label": {"share": max(shares)[0]}, **found} if shares else {}
