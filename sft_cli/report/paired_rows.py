"""Systems against the base, row by row: differences, intervals, p-values, and which rows changed."""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.intervals import Interval, paired_shares_interval, resampled_interval, share_interval, too_few
from sft_cli.report.pairs import Pairs
from sft_cli.report.score_files import ScoreFile
from sft_cli.report.statistics import approximate_randomization, exact_sign_test, holm, p_of_swaps, resampled, swapped
from sft_cli.run.errors import UserError


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


def compare_all(pairs: Pairs, measures: list[Measure], draws: Draws, all_pairs: bool = False) -> list[Comparison]:
    """Each measure, overall and in each group: each other file against the first, or all pairs of files."""
    import numpy

    outcomes: dict[tuple[str, str | None], list[Comparison]] = {}
    measured = [MeasuredPairs.of(pairs, measure) for measure in measures]
    groups: dict[str | None, Any] = {None: numpy.arange(len(pairs)), **dict(sorted(pairs.groups().items()))}
    number = len(pairs.files)
    sides = list(combinations(range(number), 2)) if all_pairs else [(0, place) for place in range(1, number)]
    for name, members in groups.items():
        alike: dict[bytes, list[MeasuredPairs]] = {}  # measures of the same rows
        for each in measured:
            overall = outcomes.get((each.measure.value, None))
            count = int(each.is_scored[members].sum())
            if count and not (overall and overall[0].n == count):  # a group of all rows would only repeat the result
                alike.setdefault(each.is_scored[members].tobytes(), []).append(each)
        for same in alike.values():
            chosen = members[same[0].is_scored[members]]
            for side in sides:
                files = [pairs.files[place] for place in side]
                labels = files[0].label, files[1].label
                rows = ComparedRows(labels, side, chosen, numbered(pairs.clusters[chosen]), name, is_same_file(files))
                for outcome in compare_rows(rows, same, draws):
                    outcomes.setdefault((outcome.value, name), []).append(outcome)
    return [each for measure in measures for name in groups for each in outcomes.get((measure.value, name), [])]


def no_row_values(flags: str, measure: Measure) -> UserError:
    """The error of flags that look at single rows, for a value that single rows do not have."""
    return UserError(f"{flags}: single rows have no value {measure.value}\nhint: --metric NAME chooses another metric")


@dataclass(frozen=True)
class ComparedRows:
    """The rows of one comparison: their pairs, the prompt number of each, the two sides by place and label."""

    labels: tuple[str, str]
    sides: tuple[int, int]
    chosen: Any
    prompts: Any
    group: str | None
    is_same_file: bool = False


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


class Tested(NamedTuple):
    """The intervals of a difference and of its two values, and the p-value with the name of its test."""

    interval: Interval
    own: tuple[Interval, Interval]
    p: float
    p_method: str


def compare_rows(rows: ComparedRows, measured: list[MeasuredPairs], draws: Draws) -> list[Comparison]:
    """Compare a file with the first on the same rows by each measure, all with the same draws."""
    sums = [[added(each.sums[side][rows.chosen], rows.prompts) for side in rows.sides] for each in measured]
    values = [
        [_known(each.measure.statistic(own.sum(axis=0)[None])[0]) for own in both]
        for each, both in zip(measured, sums, strict=True)
    ]
    shares = [tested_shares(rows, each, both, draws.confidence) for each, both in zip(measured, values, strict=True)]
    resampled_sums = [both for both, known in zip(sums, shares, strict=True) if not known]
    resampled_measures = [each.measure for each, known in zip(measured, shares, strict=True) if not known]
    drawn = shared_resamples(resampled_sums, draws)
    p_values = iter(shared_p_values(resampled_sums, resampled_measures, draws))
    comparisons = []
    for each, both, own_values, tested in zip(measured, sums, values, shares, strict=True):
        if tested is None:
            base, other = (each.measure.statistic(totals) for totals in next(drawn))
            whole, base_own, other_own = (
                resampled_interval(drawn_values, draws.confidence, len(both[0]))
                for drawn_values in (other - base, base, other)
            )
            tested = Tested(whole, (base_own, other_own), *next(p_values))
        if None in own_values:
            tested = Tested(Interval(None, missing="no value in one of the files"), tested.own, 1.0, "none")
        comparisons.append(_outcome(rows, each, own_values, tested, draws.confidence))
    return comparisons


def shared_resamples(sums: list[list[Any]], draws: Draws) -> Iterator[list[Any]]:
    """The added sums of the same resamples for each measure and each of its two systems, (draws, sums) each."""
    columns = SharedColumns()
    places = [[columns.add(own) for own in both] for both in sums]
    drawn: Any = resampled(columns.table(), draws.count, draws.seed) if places else None
    for both in places:
        yield [drawn[:, at] for at in both]


def shared_p_values(sums: list[list[Any]], measures: list[Measure], draws: Draws) -> list[tuple[float, str]]:
    """The p-value of each measure by the same random swaps; by all swaps if only few prompts differ; and which."""
    columns, places = SharedColumns(), {}
    for number, (base, other) in enumerate(sums):
        if 2 ** min(int((base != other).any(axis=1).sum()), 60) > draws.count:
            places[number] = columns.add(other - base)
    changes: Any = swapped(columns.table(), draws.count, draws.seed) if places else None
    p_values = []
    for number, (measure, (base, other)) in enumerate(zip(measures, sums, strict=True)):
        if number in places:
            moved = changes[:, places[number]]
            p = p_of_swaps(base.sum(axis=0), other.sum(axis=0), moved, measure.statistic, is_exact=False)
            p_values.append((p, "swaps"))
        else:
            p = approximate_randomization(base, other, measure.statistic, draws.count, draws.seed)
            p_values.append((p, "all swaps"))
    return p_values


def tested_shares(
    rows: ComparedRows, each: MeasuredPairs, values: list[float | None], confidence: float
) -> Tested | None:
    """Newcombe's interval and McNemar's test if each prompt has one row, right or wrong, and both values are shares."""
    base, other = (each.values[side][rows.chosen] for side in rows.sides)
    is_right = [((own == 0) | (own == 1)).all() for own in (base, other)]
    if each.measure.largest != 1 or None in values or not all(is_right) or int(rows.prompts.max()) + 1 < len(base):
        return None
    if any(abs(own.mean() - value) > 1e-9 for own, value in zip((base, other), values, strict=True)):
        return None
    both, neither = int((base * other).sum()), int(((1 - base) * (1 - other)).sum())
    base_only, other_only = int((base * (1 - other)).sum()), int(((1 - base) * other).sum())
    interval = paired_shares_interval(both, base_only, other_only, neither, confidence)
    own_base, own_other = (share_interval(float(own.sum()), len(own), confidence) for own in (base, other))
    return Tested(interval, (own_base, own_other), exact_sign_test(other_only, base_only), "mcnemar")


def is_same_file(files: list[ScoreFile]) -> bool:
    """Whether two score files hold the same bytes."""
    first, second = (file.path for file in files)
    return "-" not in (first, second) and (first == second or filecmp.cmp(first, second, shallow=False))


def _known(value: Any) -> float | None:
    return None if value != value else float(value)


def _effect_size(gains: Any) -> float | None:
    """Cohen's d of paired values: the mean over the standard deviation; None if all are equal."""
    spread = float(gains.std(ddof=1)) if len(gains) > 1 else 0.0
    return float(gains.mean()) / spread if spread > 0 else None


def _outcome(
    rows: ComparedRows, each: MeasuredPairs, values: list[float | None], tested: Tested, confidence: float
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
        interval=tested.interval.bounds,
        interval_method=tested.interval.method or None,
        no_interval=tested.interval.missing or None,
        base_interval=tested.own[0].bounds,
        other_interval=tested.own[1].bounds,
        p=tested.p,
        p_method=tested.p_method,
        p_holm=tested.p,
        effect_size=_effect_size(gains),
        margin=measure.margin_at(base_value),
        confidence=confidence,
        is_same_file=rows.is_same_file,
        better=counts[0],
        worse=counts[1],
        same=counts[2],
        n=len(rows.chosen),
        clusters=int(rows.prompts.max()) + 1,
    )


def adjust(comparisons: list[Comparison], gated: Collection[str] = ()) -> None:
    """Fill in Holm's p-values. A family is one value, compared overall, or in all of its groups.

    The values that a gate tests by chance are one family, so that the gate and the table have the same p-values.
    """
    families: dict[tuple[str, bool] | None, list[Comparison]] = {}
    for comparison in comparisons:
        is_gated = comparison.value in gated
        if is_gated and too_few(comparison.clusters):
            continue  # no gate judges it, so it takes no part in the correction
        family = None if is_gated else (comparison.value, comparison.group is None)
        families.setdefault(family, []).append(comparison)
    for members in families.values():
        for comparison, p in zip(members, holm([comparison.p for comparison in members]), strict=True):
            comparison.p_holm = p
