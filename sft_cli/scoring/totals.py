"""Sums of many rows, and their entry in the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from sft_cli.metrics.protocol import NamedMetric, Sums

COUNTED = ("no_answer", "predicted")  # of any metric: rows without an answer, and those whose `prediction` was read

MISSING = (
    "no_reference",
    "no_number",
    "other_task",
    "no_logprobs",
    "no_completion",
    "no_instructions",
    "no_tool_calls",
    "no_context",
    "no_gold",
    "nothing_relevant",
    "not_verified",
    "no_claims",
    "no_right_choice",
    "one_sample",
    "not_judged",
    "unread",
    "too_short",
    "too_long",
    "not_measured",
)  # reasons why rows have no sums, or sums that do not count


def missing_of(summary: Mapping[str, Any]) -> str:
    """The number of rows that a metric left out, and the reason: `3 no reference`."""
    return ", ".join(f"{summary[what]:,} {what.replace('_', ' ')}" for what in MISSING if summary.get(what))


@dataclass
class Totals:
    """The sums of one metric over some rows. Plain data."""

    sums: Sums = field(default_factory=dict)
    missing: int = 0  # rows to which the metric does not apply

    def add(self, sums: Mapping[str, float] | None) -> None:
        """Add one row's sums; None is counted as missing."""
        if sums is None:
            self.missing += 1
            return
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0) + value

    def merge(self, other: Totals) -> None:
        """Add the rows of other totals."""
        self.add(other.sums)
        self.missing += other.missing

    @property
    def count(self) -> int:
        """Number of rows that count."""
        return int(self.sums.get("count", 0))

    def values(self, named: NamedMetric) -> dict[str, Any]:
        """The metric's values; none if no row counts."""
        return named.values(self.sums) if self.count else {}

    def summary(self, named: NamedMetric, interval: tuple[float, float] | None) -> dict[str, Any]:
        """The metric's part of the summary; `value` is null if no row counts, as is a share of nothing."""
        metric = named.metric
        values = {name: None if isnan(value) else value for name, value in self.values(named).items()}
        counted = {name: int(self.sums[name]) for name in (*metric.counted, *COUNTED) if self.sums.get(name)}
        return {
            "primary": named.primary,
            "value": values.get(named.primary),
            "interval": interval,
            "higher_is_better": metric.higher_is_better,
            "values": values,
            "n": self.count,
            **({metric.missing: self.missing} if self.missing else {}),
            **counted,
            **(metric.details(self.sums) if self.count else {}),
            "signature": named.signature(self.sums),
        }
