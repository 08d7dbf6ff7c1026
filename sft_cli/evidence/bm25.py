"""BM25: how well a passage fits the words of a query."""

from __future__ import annotations

from typing import Any

K1, B = 1.5, 0.75


def inverse_frequency(passages_with: Any, passages: int) -> Any:
    """ln(1 + (N − n + 0.5) / (n + 0.5)) of each word: large for rare words, above 0 for all.

    passages_with: array [words], how many passages have each word. passages: N. Source: Lucene's BM25, as in Kamphuis
    et al. 2020, "Which BM25 do you mean?", table 1; bm25s 0.3, method `lucene`.
    """
    import numpy

    n = numpy.asarray(passages_with, dtype=numpy.float64)
    return numpy.log1p((passages - n + 0.5) / (n + 0.5))


def frequency_weight(counts: Any, lengths: Any, mean_length: float) -> Any:
    """f / (f + k1·(1 − b + b·length/mean length)): grows with how often a passage has a word, up to 1.

    counts: array, how often the passage has the word. lengths: array of the same shape, words in that passage. Source:
    the same; k1 = 1.5 and b = 0.75, the defaults of bm25s.
    """
    return counts / (counts + K1 * (1 - B + B * lengths / mean_length))
