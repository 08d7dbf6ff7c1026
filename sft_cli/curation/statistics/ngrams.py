"""How few runs of four words make up the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values
from sft_cli.metrics.ngram_hashes import ngram_numbers

if TYPE_CHECKING:
    import numpy as np

ORDER, PAIR = 4, 2
MOST_FREQUENT = 100
FEWEST_RUNS = 10_000  # with fewer, 100 of them are a large share by themselves


@dataclass
class NgramFigures(StatisticsFigures):
    """Concentration: the share of all 4-grams of answers that the 100 most frequent have, and distinct-n.

    Distinct-n (different n-grams / n-grams) becomes smaller with more text: compare files of one size.
    """

    of_sample: ClassVar[bool] = True
    fours: list[np.ndarray] = field(default_factory=list)
    pairs: list[np.ndarray] = field(default_factory=list)

    def see(self, seen: SeenRow) -> None:
        """Keep a number for each n-gram."""
        self.fours.append(ngram_numbers(seen.answer_words, ORDER))
        self.pairs.append(ngram_numbers(seen.answer_words, PAIR))

    def values(self) -> Values:
        """Shares of the n-grams."""
        fours, pairs = _frequencies(self.fours), _frequencies(self.pairs)
        total = int(fours.sum())
        top = int(fours[:MOST_FREQUENT].sum())
        return {
            "4_grams": total,
            "in_the_100_most_frequent": {"share": top / total} if total >= FEWEST_RUNS else None,
            "distinct_2": len(pairs) / int(pairs.sum()) if len(pairs) else None,
            "distinct_4": len(fours) / total if total else None,
        }


def _frequencies(numbers: list[np.ndarray]) -> np.ndarray:
    """How often each n-gram comes, the most frequent first."""
    import numpy as np

    counts = np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *numbers]), return_counts=True)[1]
    return np.sort(counts)[::-1]
