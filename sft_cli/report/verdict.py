"""The verdict on one comparison in one word: the text, the JSON, the page, the gates and the exit code all take it."""

from __future__ import annotations

from dataclasses import dataclass

from sft_cli.report.comparison import Comparison
from sft_cli.report.power import detectable, rows_to_detect, rows_to_exclude, standard_error

BETTER = "better"
WORSE = "worse"
EQUIVALENT = "equivalent"
NO_DIFFERENCE = "no difference shown"
TOO_LITTLE = "too little data"
NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class ComparisonVerdict:
    """One of the six words. reason: why, if the numbers beside it do not tell.

    needed_for_difference, needed_for_margin: the rows that would detect the difference seen, and the rows that would
    show that the difference is less than the margin; None where that cannot be known.
    """

    word: str
    reason: str = ""
    needed_for_difference: int | None = None
    needed_for_margin: int | None = None


def verdict_of(comparison: Comparison) -> ComparisonVerdict:
    """The verdict by the corrected p-value and by the interval of a comparison.

    better, worse: p after Holm's correction is below 1 − confidence. equivalent: the whole interval lies within the
    margin (a test of equivalence at half of 1 − confidence on each side: Schuirmann 1987), or both files are the same.
    no difference shown: neither, though a difference of the margin would have been detected in 80 % of runs. too
    little data: all other cases. not comparable: a file has no value.
    """
    confidence = comparison.confidence
    if comparison.difference is None:
        return ComparisonVerdict(NOT_COMPARABLE, comparison.no_interval or "no value in one of the files")
    if comparison.is_same_file:
        return ComparisonVerdict(EQUIVALENT, "both files are the same")
    if comparison.interval is None:
        return _without_interval(comparison)
    error = standard_error(comparison.interval, confidence)
    detecting = rows_to_detect(comparison.difference, error, comparison.n, confidence)
    excluding = rows_to_exclude(comparison.margin, error, comparison.n, confidence)
    if comparison.p_holm < 1 - confidence and comparison.gain:
        return ComparisonVerdict(BETTER if comparison.gain > 0 else WORSE, "", detecting, excluding)
    if max(-comparison.interval[0], comparison.interval[1]) <= comparison.margin:
        return ComparisonVerdict(EQUIVALENT, "", detecting, excluding)
    if detectable(error, confidence) <= comparison.margin:
        return ComparisonVerdict(NO_DIFFERENCE, "", detecting, excluding)
    # On few rows the interval is narrower than the test: more rows than there are are needed in any case.
    is_known = detecting is not None and detecting > comparison.n
    return ComparisonVerdict(TOO_LITTLE, "", detecting if is_known else None, excluding)


def _without_interval(comparison: Comparison) -> ComparisonVerdict:
    """Too few prompts are too little data; if all have the same value in both files, the margin bounds the others.

    With n equal prompts, at most 1 − (1 − confidence)^(1/n) of all are different (Clopper & Pearson 1934).
    """
    reason, confidence = comparison.no_interval or "", comparison.confidence
    if comparison.difference == 0 and comparison.largest and reason and comparison.p_holm == 1:
        most = 1 - (1 - confidence) ** (1 / comparison.clusters)
        if most * comparison.largest <= comparison.margin:
            return ComparisonVerdict(EQUIVALENT, reason)
    if comparison.p_holm < 1 - confidence and comparison.gain:
        return ComparisonVerdict(BETTER if comparison.gain > 0 else WORSE, reason)
    return ComparisonVerdict(TOO_LITTLE, reason)
