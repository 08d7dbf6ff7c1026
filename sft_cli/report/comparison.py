"""One system against the base on one metric: difference, interval, p-value, and which rows changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.report.score_files import PairKey, ScoreFile
from sft_cli.report.statistics import (
    Statistic,
    approximate_randomization,
    holm,
    paired_bootstrap,
    percentile_interval,
)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is compared: one value of one metric."""

    key: str  # the metric as it stands in `stats`
    value: str  # the value as it stands in `metrics`
    sum_names: Sequence[str]
    statistic: Statistic
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How the random numbers are drawn."""

    count: int
    confidence: float
    seed: int


@dataclass(kw_only=True)
class Comparison:
    """The outcome. `n` rows lie in `clusters` prompts.

    `better` and `worse` count rows by their own value; they are None if single rows have none, as for macro F1.
    """

    metric: str
    value: str
    group: str | None
    base: str
    other: str
    higher_is_better: bool
    base_value: float | None
    other_value: float | None
    difference: float | None
    interval: tuple[float, float] | None
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
    def is_surely_worse(self) -> bool:
        """Whether the whole interval lies on the side of the base."""
        if self.interval is None:
            return False
        return self.interval[1] < 0 if self.higher_is_better else self.interval[0] > 0


def sums_by_cluster(file: ScoreFile, keys: list[PairKey], measure: Measure) -> Any:
    """Added sums of each prompt's samples, an array (clusters, sums), prompts in the order of their first row."""
    import numpy

    places: dict[Any, int] = {}
    cluster = [places.setdefault(row_id, len(places)) for row_id, _ in keys]
    rows = [file.rows[key]["stats"][measure.key] for key in keys]
    sums = numpy.array([[sums.get(name, 0) for name in measure.sum_names] for sums in rows], dtype=float)
    added = numpy.zeros((len(places), len(measure.sum_names)))
    numpy.add.at(added, cluster, sums)
    return added


def compare_pair(
    base: ScoreFile, other: ScoreFile, keys: list[PairKey], measure: Measure, draws: Draws, group: str | None = None
) -> Comparison:
    """Compare two files on the rows `keys`, which both have with this metric's sums."""
    base_sums, other_sums = (sums_by_cluster(file, keys, measure) for file in (base, other))
    base_value, other_value = (_known(measure.statistic(sums.sum(axis=0)[None])[0]) for sums in (base_sums, other_sums))
    is_known = base_value is not None and other_value is not None
    interval, p = None, 1.0
    if is_known:
        resamples = paired_bootstrap(base_sums, other_sums, measure.statistic, draws.count, draws.seed)
        interval = percentile_interval(resamples, draws.confidence)
        p = approximate_randomization(base_sums, other_sums, measure.statistic, draws.count, draws.seed)
    better, worse, same = _changes(base, other, keys, measure)
    return Comparison(
        metric=measure.key,
        value=measure.value,
        group=group,
        base=base.label,
        other=other.label,
        higher_is_better=measure.higher_is_better,
        base_value=base_value,
        other_value=other_value,
        difference=other_value - base_value if base_value is not None and other_value is not None else None,
        interval=interval,
        p=p,
        p_holm=p,
        better=better,
        worse=worse,
        same=same,
        n=len(keys),
        clusters=len(base_sums),
    )


def _known(value: Any) -> float | None:
    return None if value != value else float(value)


def _changes(
    base: ScoreFile, other: ScoreFile, keys: list[PairKey], measure: Measure
) -> tuple[int, int, int] | tuple[None, None, None]:
    better = worse = same = 0
    for key in keys:
        before, after = (file.rows[key]["metrics"].get(measure.value) for file in (base, other))
        if before is None or after is None:
            continue
        gain = (after - before) * (1 if measure.higher_is_better else -1)
        better, worse, same = better + (gain > 0), worse + (gain < 0), same + (gain == 0)
    return (better, worse, same) if better + worse + same else (None, None, None)


def adjust(comparisons: list[Comparison]) -> None:
    """Fill in Holm's p-values. A family is one value, compared overall, or in all of its groups."""
    families: dict[tuple[str, bool], list[Comparison]] = {}
    for comparison in comparisons:
        families.setdefault((comparison.value, comparison.group is None), []).append(comparison)
    for family in families.values():
        for comparison, p in zip(family, holm([comparison.p for comparison in family]), strict=True):
            comparison.p_holm = p
