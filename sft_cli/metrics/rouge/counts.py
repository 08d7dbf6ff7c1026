"""The result of every ROUGE formula, and precision, recall and F against one or several references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from sft_cli.metrics.arithmetic import f_score
from sft_cli.metrics.overlap import Scores

TIE_DIGITS = 12  # after these digits, powers of equal shares differ by rounding: such references are equally good
References = Literal["max", "mean", "pooled", "best-recall"]


class Counts(NamedTuple):
    """Matches with one reference, and the totals of the completion and of the reference."""

    matched: float
    predicted: float
    reference: float


def scores_of(counts: Counts, beta: float = 1.0, power: float = 1.0) -> Scores:
    """Precision, recall and F of matched units; each share is taken to the power 1/`power` (ROUGE-W's f⁻¹).

    A share with the denominator 0 is 0.
    """
    precision = _share(counts.matched, counts.predicted, power)
    recall = _share(counts.matched, counts.reference, power)
    return precision, recall, f_score(precision, recall, beta)


def _share(matched: float, whole: float, power: float) -> float:
    share = matched / whole if whole else 0.0
    return share if power == 1.0 else share ** (1.0 / power)


def recall_of(counts: Counts) -> float:
    """Matched share of the reference."""
    return _share(counts.matched, counts.reference, 1.0)


def over_references(
    reference_counts: Sequence[Counts],
    how: References,
    beta: float = 1.0,
    power: float = 1.0,
    rank: Callable[[Counts], float] = recall_of,
) -> Scores:
    """One precision, recall and F for several references; with one reference, all four ways are the same.

    `max`: the three numbers of the reference with the highest F (rouge-score's score_multi). `mean`: the mean of each
    number over references. `pooled`: counts are added first (ROUGE-1.5.5 calls this average, -f A). `best-recall`: the
    reference with the highest recall, or `rank` (ROUGE-1.5.5's -f B). Of equal references the first.
    """
    if how == "pooled":
        return scores_of(Counts(*map(sum, zip(*reference_counts, strict=True))), beta, power)
    if how == "best-recall":
        return scores_of(max(reference_counts, key=lambda counts: round(rank(counts), TIE_DIGITS)), beta, power)
    scores = [scores_of(counts, beta, power) for counts in reference_counts]
    if how == "mean":
        precision, recall, f = (sum(column) / len(scores) for column in zip(*scores, strict=True))
        return precision, recall, f
    return max(scores, key=lambda three: three[2])  # not rounded: rouge-score also compares the floats
