"""ROUGE-N: clipped overlap of n-grams."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sft_cli.metrics.rouge.counts import Counts


def rouge_n(predicted: list[str], reference: list[str], n: int) -> Counts:
    """Matched n-grams, each as often as in the text that has it less often (Lin 2004, eq. 1), and both totals.

    Equals rouge-score 0.1.2 and ROUGE-1.5.5 on the same tokens.
    """
    ours, theirs = _ngrams(predicted, n), _ngrams(reference, n)
    matched = sum(min(count, ours[ngram]) for ngram, count in theirs.items() if ngram in ours)
    return Counts(matched, max(len(predicted) - n + 1, 0), max(len(reference) - n + 1, 0))


def _ngrams(tokens: list[str], n: int) -> Counter[Any]:
    return Counter(tokens if n == 1 else zip(*(tokens[start:] for start in range(n)), strict=False))
