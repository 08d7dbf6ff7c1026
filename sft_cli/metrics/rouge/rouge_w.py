"""ROUGE-W: a longest common subsequence; runs of adjacent matches have more weight."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sft_cli.metrics.rouge.counts import Counts
from sft_cli.metrics.rouge.rouge_l import take


def rouge_w(predicted: list[str], reference: list[str], weight: float) -> Counts:
    """WLCS with f(k) = k^weight, and f of both lengths; the caller takes shares to the power 1/weight.

    Lin 2004, §3.4, eq. 8-15 and the algorithm there: equal texts score 1, and the paper's example scores 0.571 and
    0.286. ROUGE-1.5.5 computes another value: `rouge_w_155`.
    """
    if not predicted or not reference:
        return Counts(0.0, len(predicted) ** weight, len(reference) ** weight)
    table, _ = _weighted_table(reference, predicted, weight)
    return Counts(float(table[-1]), len(predicted) ** weight, len(reference) ** weight)


def rouge_w_155(predicted: list[list[str]], reference: list[list[str]], weight: float) -> Counts:
    """The value that ROUGE-1.5.5 -w prints, on sentences.

    It differs from the paper in two points: runs are counted only on the union of matches in the reference's sentence,
    and the reference's length is weighted twice, f(Σ f(length)), so equal texts do not score 1.
    """
    left = Counter(token for sentence in predicted for token in sentence)
    right = Counter(token for sentence in reference for token in sentence)
    total, base, matched = left.total(), 0.0, 0.0
    for sentence in reference:
        base += len(sentence) ** weight
        union = {place for other in predicted for place in _weighted_places(sentence, other, weight)}
        run = 0
        for place in sorted(union):
            if take(sentence[place], left, right):
                run += 1
                if place + 1 not in union:
                    matched += run**weight
                    run = 0
    return Counts(matched, total**weight, base**weight)


def _weighted_places(reference: list[str], predicted: list[str], weight: float) -> list[int]:
    """Places in the reference of the subsequence on the path through the table."""
    if not reference or not predicted:
        return []
    _, steps = _weighted_table(reference, predicted, weight)
    places, i, j = [], len(reference), len(predicted)
    while i and j:
        if steps[i - 1][j - 1] == 0:
            i, j = i - 1, j - 1
            places.append(i)
        elif steps[i - 1][j - 1] == 1:
            i -= 1
        else:
            j -= 1
    return places


def _weighted_table(rows: list[str], columns: list[str], weight: float) -> tuple[Any, Any]:
    """(the last diagonal of the table, whose last entry is WLCS; the step that leads to each cell).

    A step is 0 for a match, 1 for one row back, 2 for one cell back in the row. Cells of one diagonal i + j do not
    depend on each other, so each diagonal is a few array operations: 1 000 by 1 000 tokens take 2 000 of these.
    """
    import numpy as np

    height, width = len(rows), len(columns)
    numbers: dict[str, int] = {}
    down = np.array([numbers.setdefault(token, len(numbers)) for token in rows])
    across = np.array([numbers.setdefault(token, len(numbers)) for token in columns])
    # In Python, because numpy's powers differ in the last bit between processors, and this bit decides ties.
    powers = np.array([float(length) ** weight for length in range(min(height, width) + 1)])
    steps = np.empty((height, width), dtype=np.uint8)
    # Entry i of a diagonal is the cell (i, d − i); cells with an index 0 are for empty texts.
    before = np.zeros(height + 1)
    last = np.zeros(height + 1)
    run_before, run_last = np.zeros(height + 1, dtype=int), np.zeros(height + 1, dtype=int)
    for diagonal in range(2, height + width + 1):
        first, end = max(1, diagonal - width), min(height, diagonal - 1) + 1
        i = np.arange(first, end)
        matches = down[i - 1] == across[diagonal - i - 1]
        run = run_before[first - 1 : end - 1]
        up, left = last[first - 1 : end - 1], last[first:end]
        goes_up = up >= left
        now, run_now = np.zeros(height + 1), np.zeros(height + 1, dtype=int)
        longer = np.minimum(run + 1, len(powers) - 1)
        gained = before[first - 1 : end - 1] + powers[longer] - powers[longer - 1]  # in the script's order
        now[first:end] = np.where(matches, gained, np.maximum(up, left))
        run_now[first:end] = np.where(matches, run + 1, 0)
        steps[i - 1, diagonal - i - 1] = np.where(matches, 0, np.where(goes_up, 1, 2))
        before, last, run_before, run_last = last, now, run_last, run_now
    return last, steps
