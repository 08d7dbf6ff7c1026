"""What a filter is: it keeps a row, changes it, or says why it is dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.rows import Row

RowPart = Literal["question", "answer", "all"]


class RowFilter(Protocol):
    """A filter: a dataclass whose fields are its options."""

    name: ClassVar[str]
    compares_rows: ClassVar[bool] = False  # whether `see` needs all rows before `problem` knows

    def see(self, row: Row) -> None:
        """Take notice of the next row, in a reading of all rows before; only with `compares_rows`."""
        return  # not abstract: most filters look at one row

    def end_survey(self) -> None:
        """All rows have been seen."""
        return  # not abstract: most filters look at one row

    def note_place(self, where: str, row: Row) -> None:
        """Remember the place of a row that the ledger can name; only with `compares_rows`."""
        return  # not abstract: most filters look at one row

    def other_row(self, row: Row) -> Callable[[], str]:
        """The place of the row because of which a row is dropped, when all rows have been read."""
        return str

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
