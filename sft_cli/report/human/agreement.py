"""How far raters agree: percentage, Cohen's and Fleiss' kappa, Krippendorff's alpha.

Each measure is a formula of sums that add over units (a unit is what several raters judged: a row, or a pair of answers
of a row). So a value over all units and the values of resamples come from the same formula. A measure is NaN where it
has no value: no unit has two ratings, or all ratings are equal and so chance would agree as often.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

AnyLabel = Hashable
ALPHA_LEVELS = ("nominal", "ordinal", "interval")


def categories_of(units: Sequence[Sequence[AnyLabel]]) -> list[Any]:
    """All labels of the units, sorted."""
    return sorted({label for unit in units for label in unit})


def confusion_sums(first: Sequence[AnyLabel], second: Sequence[AnyLabel], categories: Sequence[AnyLabel]) -> Any:
    """For each unit, the cell of the two raters' confusion matrix: (units, categories²)."""
    import numpy

    size, place = len(categories), {label: number for number, label in enumerate(categories)}
    sums = numpy.zeros((len(first), size * size))
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        sums[row, place[one] * size + place[other]] = 1
    return sums


def percent_of_confusion(sums: Any) -> Any:
    """The share of units with equal labels, from added confusion matrices (draws, categories²)."""
    matrix = _square_matrices(sums)
    return _quotient(matrix.trace(axis1=1, axis2=2), matrix.sum(axis=(1, 2)))


def cohen_of_confusion(sums: Any) -> Any:
    """Cohen's kappa of added confusion matrices (draws, categories²).

    Source: Cohen 1960, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20.
    """
    matrix = _square_matrices(sums)
    count = matrix.sum(axis=(1, 2))
    chance = _quotient((matrix.sum(axis=1) * matrix.sum(axis=2)).sum(axis=1), count * count)
    return _beyond_chance(percent_of_confusion(sums), chance)


def cohen_kappa(first: Sequence[AnyLabel], second: Sequence[AnyLabel]) -> float:
    """Cohen's kappa of two raters, one label each for every unit.

    Source: Cohen 1960. Equals sklearn.metrics.cohen_kappa_score.
    """
    sums = confusion_sums(first, second, categories_of([first, second]))
    return float(cohen_of_confusion(sums.sum(axis=0, keepdims=True))[0])


def fleiss_sums(units: Sequence[Sequence[AnyLabel]], categories: Sequence[AnyLabel]) -> Any:
    """For each unit: the share of pairs of raters that agree, whether it has a pair, the shares of labels, and 1.

    Shape (units, categories + 3).
    """
    import numpy

    sums = numpy.zeros((len(units), len(categories) + 3))
    for row, unit in enumerate(units):
        counts = numpy.array([sum(label == category for label in unit) for category in categories], dtype=float)
        raters = counts.sum()
        if raters >= 2:
            sums[row, :2] = (counts * (counts - 1)).sum() / (raters * (raters - 1)), 1
        if raters:
            sums[row, 2:-1], sums[row, -1] = counts / raters, 1
    return sums


def fleiss_of_sums(sums: Any) -> Any:
    """Fleiss' kappa of added `fleiss_sums` (draws, categories + 3)."""
    shares = _quotient(sums[:, 2:-1], sums[:, -1:])
    return _beyond_chance(_quotient(sums[:, 0], sums[:, 1]), (shares * shares).sum(axis=1))


def fleiss_kappa(units: Sequence[Sequence[AnyLabel]]) -> float:
    """Fleiss' kappa of units with the labels of any raters; a unit with one label counts for chance only.

    Source: Fleiss 1971, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76; with
    different numbers of raters Gwet 2014, "Handbook of inter-rater reliability", ch. 2. Equals irrCAC.raw.CAC.fleiss.
    """
    return float(fleiss_of_sums(fleiss_sums(units, categories_of(units)).sum(axis=0, keepdims=True))[0])


def coincidences(units: Sequence[Sequence[AnyLabel]], categories: Sequence[AnyLabel]) -> Any:
    """For each unit its coincidence matrix: (units, categories²); a unit with fewer than two labels adds nothing.

    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", step 2.
    """
    import numpy

    size, sums = len(categories), numpy.zeros((len(units), len(categories) ** 2))
    for row, unit in enumerate(units):
        if len(unit) >= 2:
            counts = numpy.array([sum(label == category for label in unit) for category in categories], dtype=float)
            sums[row] = ((numpy.outer(counts, counts) - numpy.diag(counts)) / (len(unit) - 1)).reshape(size * size)
    return sums


def alpha_of_coincidences(sums: Any, categories: Sequence[Any], level: str) -> Any:
    """Krippendorff's alpha of added coincidence matrices (draws, categories²); `level` is one of ALPHA_LEVELS.

    Labels are numbers at the level `interval`, and in their order at the level `ordinal`. Source: Krippendorff 2011,
    steps 3 and 4; Hayes & Krippendorff 2007, "Answering the call for a standard reliability measure".
    """
    import numpy

    matrix = _square_matrices(sums)
    totals = matrix.sum(axis=2)
    size, draws = len(categories), len(matrix)
    if level == "nominal":
        distance = numpy.broadcast_to(1 - numpy.eye(size), (draws, size, size))
    elif level == "interval":
        values = numpy.array([float(value) for value in categories])
        distance = numpy.broadcast_to((values[:, None] - values) ** 2, (draws, size, size))
    else:
        # The number of labels from one category to the other, half of each end.
        middle = totals.cumsum(axis=1) - totals / 2
        distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (matrix * distance).sum(axis=(1, 2))
    expected = (totals[:, :, None] * totals[:, None, :] * distance).sum(axis=(1, 2))
    return 1 - _quotient((totals.sum(axis=1) - 1) * observed, expected)


def krippendorff_alpha(units: Sequence[Sequence[AnyLabel]], level: str = "nominal") -> float:
    """Krippendorff's alpha of units with the labels of any raters.

    Source: Krippendorff 2011. Equals krippendorff.alpha.
    """
    categories = categories_of(units)
    sums = coincidences(units, categories).sum(axis=0, keepdims=True)
    return float(alpha_of_coincidences(sums, categories, level)[0])


def percent_of_units(units: Sequence[Sequence[AnyLabel]]) -> float:
    """The share of pairs of ratings of one unit that are equal, averaged over units with two or more ratings."""
    sums = fleiss_sums(units, categories_of(units)).sum(axis=0, keepdims=True)
    return float(_quotient(sums[:, 0], sums[:, 1])[0])


def _square_matrices(sums: Any) -> Any:
    size = round(sums.shape[1] ** 0.5)
    return sums.reshape(len(sums), size, size)


def _beyond_chance(observed: Any, chance: Any) -> Any:
    # Rounding must not make a kappa out of 0/0.
    return _quotient(observed - chance, (1 - chance) * (abs(1 - chance) > 1e-12))


def _quotient(above: Any, below: Any) -> Any:
    """The quotient, NaN where the divisor is 0."""
    import numpy

    above, below = numpy.broadcast_arrays(numpy.asarray(above, dtype=float), numpy.asarray(below, dtype=float))
    return numpy.divide(above, below, out=numpy.full(above.shape, numpy.nan), where=below != 0)
