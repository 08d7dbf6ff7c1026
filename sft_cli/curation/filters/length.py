"""Too short or too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter, RowPart, part_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.tokenizers import mixed


@dataclass(frozen=True, kw_only=True)
class LengthFilter(RowFilter):
    """Drops rows whose answer (of=question, of=all) has fewer than `min` or more than `max` words.

    A Chinese character, a kana and a Hangul syllable count as a word.
    """

    name: ClassVar[str] = "length"
    of: RowPart = "answer"
    min: int = field(default=0, metadata={"minimum": 0})
    max: int | None = field(default=None, metadata={"minimum": 0})

    def problem(self, row: Row) -> str:
        """Which bound is passed."""
        words = len(mixed(part_of_row(row, self.of)))
        if words < self.min:
            return f"{self.of} has fewer than {self.min:,} words"
        return f"{self.of} has more than {self.max:,} words" if self.max is not None and words > self.max else ""
