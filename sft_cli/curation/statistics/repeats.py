"""Rows that come several times, and questions with several answers."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from sft_cli.curation.duplicates import NormalisedDuplicates
from sft_cli.curation.filters.conflict import answers_in_conflict, asked_key, said_key
from sft_cli.curation.near_duplicates import NearDuplicates
from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, rows_share


@dataclass
class RepeatFigures(StatisticsFigures):
    """Duplicates: exact, normalised and near, and rows in conflict. Needs 90 bytes of memory for each row."""

    normalised: NormalisedDuplicates = field(default_factory=NormalisedDuplicates)
    near: NearDuplicates = field(default_factory=NearDuplicates)
    contents: Any = field(default_factory=lambda: array("Q"))
    questions: Any = field(default_factory=lambda: array("Q"))
    answers: Any = field(default_factory=lambda: array("Q"))

    def see(self, seen: SeenRow) -> None:
        """Keep numbers of the content, the question and the answer."""
        self.contents.append(seen.content)
        self.questions.append(asked_key(seen.row))
        self.answers.append(said_key(seen.row))
        self.normalised.see(seen.row)
        self.near.see(seen.row)

    def values(self) -> Values:
        """The rows that each --dedup would leave out, and those that --filter conflict would drop."""
        rows = len(self.contents)
        conflicts = answers_in_conflict(self.questions, self.answers)
        return {
            "exact": rows_share(rows - _different(self.contents), rows),
            "normalised": rows_share(len(self.normalised.duplicates()), rows),
            "near": rows_share(len(self.near.duplicates()), rows),
            "same_answer_as_another_row": rows_share(rows - _different(self.answers), rows),
            "same_question_other_answer": rows_share(sum(counts.total() for counts in conflicts.values()), rows),
        }


def _different(numbers: Any) -> int:
    import numpy as np

    return len(np.unique(np.frombuffer(numbers, dtype=np.uint64))) if len(numbers) else 0
