"""Division and powers that work on a number and on an array of resamples alike."""

from __future__ import annotations

import math
from typing import Any

LARGEST_EXPONENT = 700.0  # exp(709) is the last that fits a float


def ratio(top: Any, bottom: Any, of_nothing: float = 0.0) -> Any:
    """`top / bottom`, and `of_nothing` where `bottom` is 0."""
    if hasattr(bottom, "shape"):
        import numpy

        top, bottom = numpy.broadcast_arrays(numpy.asarray(top, dtype=float), bottom)
        return numpy.divide(top, bottom, out=numpy.full(bottom.shape, of_nothing), where=bottom != 0)
    return top / bottom if bottom else of_nothing


def share(part: Any, whole: Any) -> Any:
    """`part / whole`, and NaN (missing, not 0) where there is nothing to count."""
    return ratio(part, whole, math.nan)


def exponential(value: Any) -> Any:
    """`e ** value`; exponents above 700 count as 700, so that the result stays finite."""
    if hasattr(value, "shape"):
        import numpy

        return numpy.exp(numpy.minimum(value, LARGEST_EXPONENT))
    return math.exp(min(value, LARGEST_EXPONENT))


def f_score(precision: float, recall: float, beta: float = 1.0) -> float:
    """Weighted harmonic mean (1 + β²)PR / (R + β²P); 0 when both are 0. van Rijsbergen 1979; Lin 2004, eq. 4."""
    bottom = recall + beta * beta * precision
    return (1 + beta * beta) * precision * recall / bottom if bottom else 0.0
