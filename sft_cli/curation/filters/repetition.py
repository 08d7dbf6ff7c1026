"""An answer that repeats itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sft_cli.curation.filters.protocol import RowFilter
from sft_cli.curation.row_parts import answer_of_row
from sft_cli.data.rows import Row
from sft_cli.metrics.repetition import sequence_repetition
from sft_cli.metrics.tokenizers import mixed

SHORTEST = 20  # words; in shorter answers a few equal words are no loop


@dataclass(frozen=True, kw_only=True)
class RepetitionFilter(RowFilter):
    """Drops rows whose answer repeats itself: more than `most` of its n-grams come again. Needs 20 words or more."""

    name: ClassVar[str] = "repetition"
    n: int = field(default=4, metadata={"minimum": 1})
    most: float = 0.3

    def problem(self, row: Row) -> str:
        """Whether the answer repeats itself."""
        words = mixed(answer_of_row(row))
        if len(words) < max(SHORTEST, self.n) or sequence_repetition(words, self.n) <= self.most:
            return ""
        return "answer repeats itself"
