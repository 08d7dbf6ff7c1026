"""An answer that only repeats the question."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.tokenizers import mixed


def copied_share(question: list[str], answer: list[str], run: int) -> float:
    """The share of the words of an answer that are in runs of at least `run` words of the question, in one order."""
    if not answer:
        return 0.0
    blocks = SequenceMatcher(None, question, answer, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= run) / len(answer)


def in_common_runs(question: list[str], answer: list[str], run: int) -> float:
    """The share of the words of an answer that are in runs of `run` words of the question, in any order.

    Never less than `copied_share`, and computed in linear time.
    """
    runs = {tuple(question[start : start + run]) for start in range(len(question) - run + 1)}
    covered, end = 0, 0
    for start in range(len(answer) - run + 1 if runs else 0):
        if tuple(answer[start : start + run]) in runs:
            covered += start + run - max(start, end)
            end = start + run
    return covered / max(len(answer), 1)


@dataclass(frozen=True, kw_only=True)
class CopyFilter(RowFilter):
    """Drops rows whose answer copies the question: more than `most` of its words are in runs of `run` words of it.

    Answers of fewer than `min` words are kept: a label is often in the question.
    """

    name: ClassVar[str] = "copy"
    most: float = 0.8
    run: int = field(default=5, metadata={"minimum": 1})
    min: int = field(default=10, metadata={"minimum": 1})

    def problem(self, row: Row) -> str:
        """Whether the answer copies the question."""
        answer = mixed(answer_of_row(row))
        if len(answer) < self.min:
            return ""
        question = mixed(question_of_row(row))
        if in_common_runs(question, answer, self.run) <= self.most:  # the exact share is slow for long texts
            return ""
        return "answer copies the question" if copied_share(question, answer, self.run) > self.most else ""
