"""Sums of many rows, for the whole file and for each group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sft_cli.metrics.protocol import NamedMetric, Sums


@dataclass
class Totals:
    """What one metric has added up over some rows."""

    named: NamedMetric
    sums: Sums = field(default_factory=dict)
    missing: int = 0

    def add(self, sums: Mapping[str, float] | None) -> None:
        """Add one row's sums; None is counted as missing."""
        if sums is None:
            self.missing += 1
            return
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0) + value

    @property
    def count(self) -> int:
        """Number of rows that count."""
        return int(self.sums.get("count", 0))

    def summary(self, interval: tuple[float, float] | None) -> dict[str, Any]:
        """The metric's part of the summary; `value` is null if no row counts."""
        named, metric = self.named, self.named.metric
        values = named.values(self.sums) if self.count else {}
        counted = {name: int(self.sums[name]) for name in metric.counted if self.sums.get(name)}
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
