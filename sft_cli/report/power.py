"""How many rows a comparison needs: for the difference that was seen, and to exclude a difference that matters.

Both grow with the square of the standard error over the difference. The standard error is read off the interval, so
that shares, resampled metrics and clusters of rows go by one rule. Source: Chow, Shao & Wang 2008, "Sample Size
Calculations in Clinical Research", §3.1.
"""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8  # share of runs that should detect the difference
MOST_ADVISED = 10**9  # more rows than this are no advice


def standard_error(interval: tuple[float, float], confidence: float) -> float:
    """Half the width of an interval over the quantile of its confidence."""
    return (interval[1] - interval[0]) / 2 / quantile(0.5 + confidence / 2)


def rows_to_detect(difference: float, error: float, rows: int, confidence: float) -> int | None:
    """The rows with which a test detects this difference in 80 % of runs; error: standard error with `rows` rows.

    None if there is no difference, or no number of rows to speak of.
    """
    wanted = quantile(0.5 + confidence / 2) + quantile(POWER)
    return _rows(wanted * error, abs(difference), rows)


def rows_to_exclude(margin: float, error: float, rows: int, confidence: float) -> int | None:
    """The rows with which the interval lies within ±margin in 80 % of runs if there is no difference."""
    wanted = quantile(0.5 + confidence / 2) + quantile(0.5 + POWER / 2)
    return _rows(wanted * error, margin, rows)


def detectable(error: float, confidence: float) -> float:
    """The smallest difference that a test detects in 80 % of runs; error: standard error of the difference."""
    return (quantile(0.5 + confidence / 2) + quantile(POWER)) * error


def quantile(share: float) -> float:
    """The quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(share)


def _rows(reach: float, difference: float, rows: int) -> int | None:
    if difference <= 0 or reach <= 0:
        return None
    needed = rows * (reach / difference) ** 2
    return math.ceil(needed) if needed < MOST_ADVISED else None
