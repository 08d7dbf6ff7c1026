"""Duplicates: which rows are equal, by their content, by their words, or nearly by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.ids import SeenIds
from sft_cli.data.rows import Row, content_key
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.seed import stable_hash

if TYPE_CHECKING:
    import numpy as np

ComparedPart = Literal["both", "question", "answer"]


@dataclass(frozen=True)
class Duplicate:
    """A row that is left out. kept: the number of the row that is kept. share: the Jaccard index of their word runs."""

    kept: int
    share: float = 1.0


class FindsDuplicates(Protocol):
    """A way to find duplicates: it sees all rows once, in order, and then says which to leave out."""

    name: ClassVar[str]
    in_one_reading: ClassVar[bool] = False  # whether `is_repeat` is enough: equal rows are equal in every way

    def is_repeat(self, row: Row) -> bool:
        """Whether a row with the same content came before; only with `in_one_reading`."""
        return False

    def forget(self) -> None:
        """Before another reading: `is_repeat` has seen no row."""
        return  # not abstract: most ways keep nothing from one reading to the next

    def see(self, row: Row) -> None:
        """Take notice of the next row."""
        ...

    def files(self) -> list[str]:
        """The files that the options name."""
        return []

    def duplicates(self) -> dict[int, Duplicate]:
        """The rows to leave out, by their numbers from 0. Which rows these are does not depend on their order."""
        return {}


def compared_text(row: Row, part: ComparedPart) -> str:
    """The text of a row by which it is compared."""
    if part == "both":
        return f"{question_of_row(row)}\n{answer_of_row(row)}"
    return question_of_row(row) if part == "question" else answer_of_row(row)


def content_hash(row: Row) -> int:
    """A 64-bit number of the content of a row, without ids, weights and sources."""
    return stable_hash(content_key(row))


def first_by_content(numbers: Sequence[int], contents: np.ndarray) -> int:
    """The row to keep of equal ones: that with the smallest hash of its content, then the first."""
    return min(numbers, key=lambda number: (int(contents[number]), number))


@dataclass(kw_only=True)
class ExactDuplicates(FindsDuplicates):
    """Rows with the same turns, tools and references. Ids, tasks and weights do not count."""

    name: ClassVar[str] = "exact"
    in_one_reading: ClassVar[bool] = True
    seen: SeenIds = field(default_factory=SeenIds, init=False, repr=False)

    def is_repeat(self, row: Row) -> bool:
        """Whether its content came before; keeps a hash of it, 11 to 22 bytes."""
        return not self.seen.add_key(content_hash(row))

    def forget(self) -> None:
        """Start again with no row."""
        self.seen = SeenIds()


@dataclass(kw_only=True)
class NormalisedDuplicates(FindsDuplicates):
    """Rows with the same words; case, width, marks and spaces do not count. on=question, on=answer: of this part."""

    name: ClassVar[str] = "normalised"
    on: ComparedPart = "both"
    keys: Any = field(default_factory=lambda: _numbers(), init=False, repr=False)
    contents: Any = field(default_factory=lambda: _numbers(), init=False, repr=False)

    def see(self, row: Row) -> None:
        """Keep a hash of the words and one of the content: 16 bytes."""
        words = mixed(compared_text(row, self.on))
        self.keys.append(stable_hash(words) if words else content_hash(row))
        self.contents.append(content_hash(row))

    def duplicates(self) -> dict[int, Duplicate]:
        """All rows but one of each sequence of words."""
        return _equal_rows(self.keys, self.contents)


def _numbers() -> Any:
    from array import array

    return array("Q")


def _equal_rows(keys: Any, contents: Any) -> dict[int, Duplicate]:
    """Of rows with one key, all but the one with the smallest hash of its content."""
    import numpy as np

    if not len(keys):
        return {}
    values, known = np.frombuffer(keys, dtype=np.uint64), np.frombuffer(contents, dtype=np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    stops = np.append(starts[1:], len(ordered))
    left_out: dict[int, Duplicate] = {}
    for group in np.flatnonzero(stops - starts > 1).tolist():
        numbers = order[starts[group] : stops[group]].tolist()
        kept = first_by_content(numbers, known)
        left_out.update((number, Duplicate(kept)) for number in numbers if number != kept)
    return left_out
