"""The values of a row that lm-evaluation-harness measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums


@dataclass(frozen=True, kw_only=True)
class Harness(Metric):
    """Mean over rows of one measure of lm-evaluation-harness (`acc`, `acc_norm`, …), from `sft score --harness`."""

    name: ClassVar[str] = "harness"
    primary: ClassVar[str] = "harness"
    primary_sums: ClassVar[tuple[str, ...]] = ("total", "count")
    reads: ClassVar[PartRead] = "all"
    missing: ClassVar[str] = "not_measured"
    measure: str = "acc"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The row's value from the harness; None if its task does not have the measure."""
        value = (row.get("harness") or {}).get(self.measure)
        return None if value is None else {"total": value, "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The mean."""
        return {"harness": ratio(sums["total"], sums["count"])}

    def signature_parts(self) -> dict[str, str]:
        """The measure; rows of a run also contain the conditions of the measurement."""
        return {"measure": self.measure}
