"""How precise a number is by the way in which it is written."""

from __future__ import annotations

import re
from decimal import Decimal

LEAST_ROUND = 1000  # 300 pages are 300 pages; 3,000 people may be 2,987


def precision(written: str, value: Decimal) -> tuple[int, Decimal]:
    """The significant digits of a number, and what one unit of its last digit means.

    `written` are the figures or the Chinese characters, empty for English words. 3.14 has three digits and a step of
    0.01; 3.5 million two and 100,000. Zeros at the end of a large number are no digits: the step of 1,200 is 100. With
    a single digit the step is a tenth of it: 3,000,000 is said of 2,987,123, and not of 2,600,000.
    """
    digits = len(_digits_of(value))
    if not value:
        return 1, Decimal(1)
    decimals = re.search(r"\.(\d+)", written)
    size = Decimal(10) ** (value.adjusted() - digits + 1)  # of the last digit that is not zero
    if decimals:
        figures = re.sub(r"\D", "", written.partition(".")[0]).lstrip("0")
        first = len(figures) - 1 if figures else -1 - (len(decimals[1]) - len(decimals[1].lstrip("0")))
        step = Decimal(10) ** (value.adjusted() - first - len(decimals[1]))
        return digits, step
    if abs(value) < LEAST_ROUND:
        return digits, min(Decimal(1), size)
    return digits, size if digits > 1 else size / 10


def _digits_of(value: Decimal) -> str:
    return "".join(map(str, value.normalize().as_tuple().digits))
