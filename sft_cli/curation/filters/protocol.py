"""What a filter is: it keeps a row, changes it, or says why it is dropped."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.rows import Row

RowPart = Literal["question", "answer", "all"]


class RowFilter(Protocol):
    """A filter: a dataclass whose fields are its options."""

    name: ClassVar[str]

    def problem(self, row: Row) -> str:
        """Why the row is dropped, in a few words; empty if it is kept."""
        ...

    def changed(self, row: Row) -> tuple[Row, str]:
        """The row to keep, and what was changed in it; the row itself and an empty text if nothing was."""
        return row, ""

    def files(self) -> list[str]:
        """The files that the options name."""
        return []


def part_of_row(row: Row, part: RowPart) -> str:
    """The question, the answer, or both."""
    if part == "all":
        return f"{question_of_row(row)}\n{answer_of_row(row)}"
    return question_of_row(row) if part == "question" else answer_of_row(row)
