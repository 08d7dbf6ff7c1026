"""What is compared, how it is drawn, and the result of one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sft_cli.report.statistics import Statistic

DEFAULT_MARGIN = (
    0.02  # share of the scale, or of the base's value if the scale has no end: the smallest difference that matters
)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One value of one metric, to compare."""

    key: str  # the metric as in `stats`
    value: str  # the value as in `metrics`
    sum_names: Sequence[str]
    statistic: Statistic
    higher_is_better: bool
    largest: float | None  # values are from 0 to this; None: no upper bound
    margin: float | None = None  # the smallest difference that matters; None: DEFAULT_MARGIN

    def margin_at(self, base: float | None) -> float:
        """The smallest difference that matters, in the units of the value."""
        if self.margin is not None:
            return self.margin
        return DEFAULT_MARGIN * (self.largest if self.largest is not None else abs(base or 0.0))


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The settings of the random draws."""

    count: int
    confidence: float
    seed: int


@dataclass(kw_only=True)
class Comparison:
    """The result. The `n` rows belong to `clusters` prompts, or what --cluster names.

    `better` and `worse` count rows by their own value; they are None if single rows have no value, as for macro F1.
    effect_size: the mean of the rows' differences over their standard deviation (Cohen's d of paired values); positive
    if the other system is better. margin: the smallest difference that matters.
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
    base_interval: tuple[float, float] | None
    other_interval: tuple[float, float] | None
    p: float
    p_method: str  # mcnemar, swaps (random ones), all swaps, or none
    p_holm: float
    effect_size: float | None
    margin: float
    confidence: float
    is_same_file: bool
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
