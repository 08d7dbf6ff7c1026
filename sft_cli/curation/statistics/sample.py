"""A sample of answers for figures that need texts of many rows at once."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from sft_cli.curation.statistics.figure import SeenRow

SAMPLE_ROWS = 20_000
LONGEST_SAMPLED = 10_000  # characters of an answer; a longer one loses its middle


@dataclass
class AnswerSample:
    """The answers of the `size` rows with the smallest hash of their content, whatever their order is.

    All rows of a smaller file. Needs at most 10,000 characters of memory for each row of the sample.
    """

    size: int = SAMPLE_ROWS
    rows: int = 0
    heap: list[tuple[int, int, str]] = field(default_factory=list)  # the largest hash first

    def see(self, seen: SeenRow) -> None:
        """Take the row if its hash is among the smallest."""
        self.rows += 1
        if len(self.heap) >= self.size and -seen.content <= self.heap[0][0]:
            return
        half = LONGEST_SAMPLED // 2
        text = seen.answer
        kept = text if len(text) <= LONGEST_SAMPLED else f"{text[:half]}\n{text[-half:]}"
        entry = (-seen.content, self.rows, kept)
        if len(self.heap) < self.size:
            heapq.heappush(self.heap, entry)
        else:
            heapq.heapreplace(self.heap, entry)

    def texts(self) -> list[str]:
        """The answers, in the order of their hashes."""
        return [text for _, _, text in sorted(self.heap, reverse=True)]
