"""ROUGE-N: clipped overlap of n-grams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sft_cli.metrics.rouge.counts import Counts


def rouge_n(predicted: list[str], reference: list[str], n: int) -> Counts:
    """Matched n-grams, each counted as in the text that has it less often (Lin 2004, eq. 1), and both totals.

    Equals rouge-score 0.1.2 and ROUGE-1.5.5 on the same tokens.
    """
    left: dict[Any, int] = {}
    for ngram in _ngrams(predicted, n):
        left[ngram] = left.get(ngram, 0) + 1
    matched = 0
    for ngram in _ngrams(reference, n):
        count = left.get(ngram)
        if count:
            matched += 1
            left[ngram] = count - 1  # each match uses one up
    return Counts(matched, max(len(predicted) - n + 1, 0), max(len(reference) - n + 1, 0))


def _ngrams(tokens: list[str], n: int) -> Iterable[Any]:
    return tokens if n == 1 else zip(*(tokens[start:] for start in range(n)), strict=False)
