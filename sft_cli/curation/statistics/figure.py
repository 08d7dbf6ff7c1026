"""What a group of figures is: it sees each row once, in any order, and then has values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from sft_cli.curation.duplicates import content_hash
from sft_cli.curation.row_parts import answer_of_row, question_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.tokenizers import mixed

MOST_NAMES = 10_000  # different names that a figure counts; with more it has no value, so that the memory has a bound
Values = dict[str, Any]


@dataclass
class SeenRow:
    """A row, with the parts that several figures need, computed once."""

    row: Row
    source: str = ""  # its task, or the name of its file

    @cached_property
    def question(self) -> str:
        """What is asked."""
        return question_of_row(self.row)

    @cached_property
    def answer(self) -> str:
        """What is learned."""
        return answer_of_row(self.row)

    @cached_property
    def question_words(self) -> list[str]:
        """The words of the question; a Chinese character is a word."""
        return mixed(self.question)

    @cached_property
    def answer_words(self) -> list[str]:
        """The words of the answer."""
        return mixed(self.answer)

    @cached_property
    def content(self) -> int:
        """A 64-bit number of the content."""
        return content_hash(self.row)


class StatisticsFigures(Protocol):
    """A group of figures.

    The values are numbers, `rows_share`, `entries`, `quantiles`, or None for a figure that has no value; keys are
    words joined by underscores. The values do not depend on the order of the rows.
    """

    of_sample: ClassVar[bool] = False  # whether it sees only the rows of the sample

    def see(self, seen: SeenRow) -> None:
        """Take notice of a row."""
        ...

    def values(self) -> Values:
        """The values of all rows so far; an empty dict if the group has nothing to say."""
        ...


def rows_share(rows: int, total: int) -> Values:
    """A number of rows, and its share of all rows."""
    return {"rows": rows, "share": rows / total if total else 0.0}


def entries(counts: Iterable[tuple[str, int]], total: int, most: int) -> list[Values]:
    """The most frequent texts, each with its rows and their share."""
    ordered = sorted(counts, key=lambda each: (-each[1], each[0]))
    return [{"text": text, **rows_share(rows, total)} for text, rows in ordered[:most]]


def quantiles(counts: Counter[int]) -> Values | None:
    """Mean, smallest, 5 %, median, 95 % and largest of whole numbers; None if there are none.

    A quantile q is the smallest number such that at least the share q of all numbers is not larger.
    """
    total = counts.total()
    if not total:
        return None
    ordered = sorted(counts)
    found = []
    for share in (0.05, 0.5, 0.95):
        wanted, below = math.ceil(share * total), 0
        for value in ordered:
            below += counts[value]
            if below >= wanted:
                found.append(value)
                break
    mean = sum(value * number for value, number in counts.items()) / total
    names = ("smallest", "p5", "median", "p95", "largest")
    return {"mean": mean, **dict(zip(names, (ordered[0], *found, ordered[-1]), strict=True))}
