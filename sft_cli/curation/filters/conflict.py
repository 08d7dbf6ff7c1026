"""Rows that ask the same and answer something else."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar, Literal

from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.rows import Row, turn_text
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.seed import stable_hash

NO_QUESTION = 0  # the key of rows that ask nothing, such as raw text: they conflict with no row


def asked_key(row: Row) -> int:
    """A 64-bit number of all that comes before the answer: the words of the turns, with system turns, and the tools.

    Case, width, marks and spaces do not count.
    """
    if not mixed(question_of_row(row)):
        return NO_QUESTION
    turns = row.get("messages") or [{"role": "user", "content": row.get("text")}]
    last = max((place for place, turn in enumerate(turns) if turn["role"] == "assistant"), default=len(turns))
    return stable_hash(mixed("\n".join(map(turn_text, turns[:last]))), row.get("tools") or [])


def said_key(row: Row) -> int:
    """The same of the answer."""
    return stable_hash(mixed(answer_of_row(row)))


def answers_in_conflict(questions: Any, answers: Any) -> dict[int, Counter[int]]:
    """The questions with more than one answer, and the number of rows of each answer; arrays of keys, row by row."""
    import numpy as np

    if not len(questions):
        return {}
    asked, said = np.frombuffer(questions, dtype=np.uint64), np.frombuffer(answers, dtype=np.uint64)
    _, numbers, rows = np.unique(asked, return_inverse=True, return_counts=True)
    several = np.flatnonzero((rows[numbers] > 1) & (asked != NO_QUESTION))
    places = several[np.argsort(asked[several], kind="stable")]
    pairs = zip(asked[places].tolist(), said[places].tolist(), strict=True)
    found = {key: Counter(answer for _, answer in own) for key, own in groupby(pairs, key=lambda pair: pair[0])}
    return {key: counts for key, counts in found.items() if len(counts) > 1}


@dataclass(kw_only=True)
class ConflictFilter(RowFilter):
    """Drops rows with the same question and another answer; case, width, marks and spaces do not count.

    Rows with another system turn, other earlier turns or other tools do not ask the same.
    keep=none drops all of them, keep=most keeps the rows with the most frequent answer, if one answer is more frequent
    than all others. Needs 16 bytes of memory for each row. Rows without a question are kept.
    """

    name: ClassVar[str] = "conflict"
    compares_rows: ClassVar[bool] = True
    keep: Literal["none", "most"] = "none"
    questions: Any = field(default_factory=lambda: array("Q"), init=False, repr=False)
    answers: Any = field(default_factory=lambda: array("Q"), init=False, repr=False)
    conflicts: dict[int, Counter[int]] = field(default_factory=dict, init=False, repr=False)
    kept: dict[int, int] = field(default_factory=dict, init=False, repr=False)  # the answer of a question that is kept
    places: dict[int, dict[int, str]] = field(default_factory=dict, init=False, repr=False)

    def see(self, row: Row) -> None:
        """Keep the keys of question and answer."""
        self.questions.append(asked_key(row))
        self.answers.append(said_key(row))

    def end_survey(self) -> None:
        """Find the conflicts among all rows."""
        self.conflicts = answers_in_conflict(self.questions, self.answers)
        self.questions, self.answers = array("Q"), array("Q")
        for key, counts in self.conflicts.items() if self.keep == "most" else ():
            (answer, rows), (_, next_rows) = counts.most_common(2)
            if rows > next_rows:
                self.kept[key] = answer

    def note_place(self, where: str, row: Row) -> None:
        """Remember the first place of each answer to a question with several."""
        if self.conflicts and (key := asked_key(row)) in self.conflicts:
            self.places.setdefault(key, {}).setdefault(said_key(row), where)

    def other_row(self, row: Row) -> Callable[[], str]:
        """The place of a row with the same question and another answer: the kept one, else the first."""
        key, own = asked_key(row), said_key(row)  # not the row: it can be long, and the answer comes at the end
        if key in self.kept:
            return lambda: self.places[key][self.kept[key]]
        return lambda: next(place for answer, place in self.places[key].items() if answer != own)

    def problem(self, row: Row) -> str:
        """Whether a row with the same question has another answer."""
        if not self.conflicts or (key := asked_key(row)) not in self.conflicts:
            return ""
        return "" if self.kept.get(key) == said_key(row) else "same question, another answer"
