"""The runs of words of many texts at once, as 64-bit numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from sft_cli.metrics.ngram_hashes import FACTOR, token_number

if TYPE_CHECKING:
    import numpy as np

MOST_WORDS = 2_000_000  # different words whose numbers are kept


class _Numbers(dict[str, int]):
    """The numbers of words."""

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_WORDS:
            self.clear()
        number = self[word] = token_number(word)
        return number


class WordRuns:
    """Computes the runs of `n` words of texts; a text of fewer words is one run."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.numbers = _Numbers()

    def of(self, texts: Sequence[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        """The different runs of each text in order, uint64, one text after another; and how many each has, int64."""
        import numpy as np

        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        words = np.fromiter(
            map(self.numbers.__getitem__, chain.from_iterable(texts)), dtype=np.uint64, count=int(lengths.sum())
        )
        owner = np.repeat(np.arange(len(texts)), lengths)
        starts = np.cumsum(lengths) - lengths
        left = lengths[owner] - (np.arange(len(words)) - starts[owner])  # words from here to the end of the text
        runs = words.copy()
        for place in range(1, self.n):
            runs[:-place] = np.where(
                left[:-place] > place, runs[:-place] * np.uint64(FACTOR) + words[place:], runs[:-place]
            )
        is_run = (left >= self.n) | (left == lengths[owner])
        runs, owner = runs[is_run], owner[is_run]
        order = np.lexsort((runs, owner))
        runs, owner = runs[order], owner[order]
        is_new = np.ones(len(runs), dtype=bool)
        is_new[1:] = (runs[1:] != runs[:-1]) | (owner[1:] != owner[:-1])
        return runs[is_new], np.bincount(owner[is_new], minlength=len(texts)).astype(np.int64)
