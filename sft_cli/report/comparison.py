"""Systems against the base: differences, intervals, p-values, and which rows changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.report.intervals import Interval, paired_shares_interval, resampled_interval
from sft_cli.report.pairs import Pairs
from sft_cli.report.statistics import Statistic, approximate_randomization, holm, p_of_swaps, resampled, swapped


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One value of one metric, to compare."""

    key: str  # the metric as in `stats`
    value: str  # the value as in `metrics`
    sum_names: Sequence[str]
    statistic: Statistic
    higher_is_better: bool
    largest: float | None  # values are from 0 to this; None: no upper bound


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The settings of the random draws."""

    count: int
    confidence: float
    seed: int


@dataclass(kw_only=True)
class Comparison:
    """The result. The `n` rows belong to `clusters` prompts.

    `better` and `worse` count rows by their own value; they are None if single rows have no value, as for macro F1.
    """

    metric: str
    value: str
    group: str | None
    base: str
    other: str
    higher_is_better: bool
    largest: float | None
    base_value: float | None
    other_value: float | None
    difference: float | None
    interval: tuple[float, float] | None
    interval_method: str | None
    no_interval: str | None  # the reason if there is no interval
    p: float
    p_holm: float
    better: int | None
    worse: int | None
    same: int | None
    n: int
    clusters: int

    @property
    def gain(self) -> float:
        """The difference, positive when the other system is better."""
        return (self.difference or 0.0) * (1 if self.higher_is_better else -1)

    @property
    def hidden_drop(self) -> float | None:
        """The largest drop that the interval still allows; None without an interval."""
        if self.interval is None:
            return None
        return max(0.0, -self.interval[0] if self.higher_is_better else self.interval[1])


@dataclass(frozen=True)
class MeasuredPairs:
    """One measure of all pairs: for each file the sums, (pairs, sums), and the values of the rows, (pairs,).

    Unknown values are NaN. is_scored: the pairs that have sums in every file, and count in at least one.
    """

    measure: Measure
    sums: list[Any]
    values: list[Any]
    is_scored: Any

    @classmethod
    def of(cls, pairs: Pairs, measure: Measure) -> MeasuredPairs:
        """Read them from the files."""
        sums, values = [], []
        for file, rows in zip(pairs.files, pairs.rows, strict=True):
            size = len(file.rows)
            sums.append(file.sums[measure.key].table(list(measure.sum_names), size)[rows])
            values.append(file.values.table([measure.value], size, float("nan"))[rows, 0])
        return cls(measure, sums, values, pairs.having(measure.key))


class SharedColumns:
    """Sums of several measures and systems side by side in one array, each once.

    Measures of the same rows then share their draws, which take most of the time.
    """

    def __init__(self) -> None:
        self.columns: list[Any] = []
        self.places: dict[bytes, int] = {}  # place of an array of sums, by its hash

    def add(self, sums: Any) -> list[int]:
        """Add sums (prompts, sums); return their places."""
        return [self._place(column) for column in sums.T]

    def _place(self, column: Any) -> int:
        place = self.places.setdefault(hashlib.blake2b(column.copy()).digest(), len(self.columns))
        if place == len(self.columns):
            self.columns.append(column)
        return place

    def table(self) -> Any:
        """All sums side by side, an array (prompts, places)."""
        import numpy

        return numpy.column_stack(self.columns)


def compare_all(pairs: Pairs, measures: list[Measure], draws: Draws) -> list[Comparison]:
    """Each measure, overall and in each group, each other file against the first."""
    import numpy

    outcomes: dict[tuple[str, str | None], list[Comparison]] = {}
    measured = [MeasuredPairs.of(pairs, measure) for measure in measures]
    groups: dict[str | None, Any] = {None: numpy.arange(len(pairs)), **dict(sorted(pairs.groups().items()))}
    for name, members in groups.items():
        alike: dict[bytes, list[MeasuredPairs]] = {}  # measures of the same rows
        for each in measured:
            overall = outcomes.get((each.measure.value, None))
            count = int(each.is_scored[members].sum())
            if count and not (overall and overall[0].n == count):  # a group of all rows would only repeat the result
                alike.setdefault(each.is_scored[members].tobytes(), []).append(each)
        for same in alike.values():
            chosen = members[same[0].is_scored[members]]
            for place in range(1, len(pairs.files)):
                labels = pairs.files[0].label, pairs.files[place].label
                rows = ComparedRows(labels, (0, place), chosen, numbered(pairs.clusters[chosen]), name)
                for outcome in compare_rows(rows, same, draws):
                    outcomes.setdefault((outcome.value, name), []).append(outcome)
    comparisons = [each for measure in measures for name in groups for each in outcomes.get((measure.value, name), [])]
    adjust(comparisons)
    return comparisons


@dataclass(frozen=True)
class ComparedRows:
    """The rows of one comparison: their pairs, the prompt number of each, the two sides by place and label."""

    labels: tuple[str, str]
    sides: tuple[int, int]
    chosen: Any
    prompts: Any
    group: str | None


def numbered(clusters: Any) -> Any:
    """The numbers of the clusters, from 0 in the order of their first row."""
    import numpy

    _, first, inverse = numpy.unique(clusters, return_index=True, return_inverse=True)
    return numpy.argsort(numpy.argsort(first))[inverse]


def added(sums: Any, prompts: Any) -> Any:
    """The added sums of the rows of each prompt, (prompts, sums); prompts: the prompt number of each row."""
    import numpy

    count = int(prompts.max()) + 1
    if count == len(sums):
        return sums  # each prompt has one row, in this order
    return numpy.column_stack([numpy.bincount(prompts, column, count) for column in sums.T])


def compare_rows(rows: ComparedRows, measured: list[MeasuredPairs], draws: Draws) -> list[Comparison]:
    """Compare a file with the first on the same rows by each measure, all with the same draws."""
    sums = [[added(each.sums[side][rows.chosen], rows.prompts) for side in rows.sides] for each in measured]
    values = [
        [_known(each.measure.statistic(own.sum(axis=0)[None])[0]) for own in both]
        for each, both in zip(measured, sums, strict=True)
    ]
    intervals = [
        _shares_interval(rows, each, both, draws.confidence) for each, both in zip(measured, values, strict=True)
    ]
    drawn = shared_resamples([both for both, known in zip(sums, intervals, strict=True) if not known], draws)
    p_values = shared_p_values(sums, [each.measure for each in measured], draws)
    comparisons = []
    for number, each in enumerate(measured):
        interval, p = intervals[number], p_values[number]
        if interval is None:
            base, other = (each.measure.statistic(totals) for totals in next(drawn))
            interval = resampled_interval(other - base, draws.confidence, len(sums[number][0]))
        if None in values[number]:
            interval, p = Interval(None, missing="no value in one of the files"), 1.0
        comparisons.append(_outcome(rows, each, values[number], interval, p))
    return comparisons


def shared_resamples(sums: list[list[Any]], draws: Draws) -> Iterator[list[Any]]:
    """The added sums of the same resamples for each measure and each of its two systems, (draws, sums) each."""
    columns = SharedColumns()
    places = [[columns.add(own) for own in both] for both in sums]
    drawn: Any = resampled(columns.table(), draws.count, draws.seed) if places else None
    for both in places:
        yield [drawn[:, at] for at in both]


def shared_p_values(sums: list[list[Any]], measures: list[Measure], draws: Draws) -> list[float]:
    """The p-value of each measure by the same random swaps; by all swaps if only few prompts differ."""
    columns, places = SharedColumns(), {}
    for number, (base, other) in enumerate(sums):
        if 2 ** min(int((base != other).any(axis=1).sum()), 60) > draws.count:
            places[number] = columns.add(other - base)
    changes: Any = swapped(columns.table(), draws.count, draws.seed) if places else None
    p_values = []
    for number, (measure, (base, other)) in enumerate(zip(measures, sums, strict=True)):
        if number in places:
            moved = changes[:, places[number]]
            p_values.append(p_of_swaps(base.sum(axis=0), other.sum(axis=0), moved, measure.statistic, is_exact=False))
        else:
            p_values.append(approximate_randomization(base, other, measure.statistic, draws.count, draws.seed))
    return p_values


def _shares_interval(
    rows: ComparedRows, each: MeasuredPairs, values: list[float | None], confidence: float
) -> Interval | None:
    """Newcombe's interval if each prompt has one row, right or wrong, and both values are shares; otherwise None."""
    base, other = (each.values[side][rows.chosen] for side in rows.sides)
    is_right = [((own == 0) | (own == 1)).all() for own in (base, other)]
    if each.measure.largest != 1 or None in values or not all(is_right) or int(rows.prompts.max()) + 1 < len(base):
        return None
    if any(abs(own.mean() - value) > 1e-9 for own, value in zip((base, other), values, strict=True)):
        return None
    both, neither = int((base * other).sum()), int(((1 - base) * (1 - other)).sum())
    base_only, other_only = int((base * (1 - other)).sum()), int(((1 - base) * other).sum())
    return paired_shares_interval(both, base_only, other_only, neither, confidence)


def _known(value: Any) -> float | None:
    return None if value != value else float(value)


def _outcome(
    rows: ComparedRows, each: MeasuredPairs, values: list[float | None], interval: Interval, p: float
) -> Comparison:
    base_value, other_value = values
    measure = each.measure
    before, after = (each.values[side][rows.chosen] for side in rows.sides)
    gains = (after - before)[~((after != after) | (before != before))] * (1 if measure.higher_is_better else -1)
    counts = [int((gains > 0).sum()), int((gains < 0).sum()), int((gains == 0).sum())] if len(gains) else [None] * 3
    return Comparison(
        metric=measure.key,
        value=measure.value,
        group=rows.group,
        base=rows.labels[0],
        other=rows.labels[1],
        higher_is_better=measure.higher_is_better,
        largest=measure.largest,
        base_value=base_value,
        other_value=other_value,
        difference=other_value - base_value if base_value is not None and other_value is not None else None,
        interval=interval.bounds,
        interval_method=interval.method or None,
        no_interval=interval.missing or None,
        p=p,
        p_holm=p,
        better=counts[0],
        worse=counts[1],
        same=counts[2],
        n=len(rows.chosen),
        clusters=int(rows.prompts.max()) + 1,
    )


def adjust(comparisons: list[Comparison]) -> None:
    """Fill in Holm's p-values. A family is one value, compared overall, or in all of its groups."""
    families: dict[tuple[str, bool], list[Comparison]] = {}
    for comparison in comparisons:
        families.setdefault((comparison.value, comparison.group is None), []).append(comparison)
    for family in families.values():
        for comparison, p in zip(family, holm([comparison.p for comparison in family]), strict=True):
            comparison.p_holm = p
