"""The totals of rows: sums, counts and bootstrap draws, of the whole file and of each group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sft_cli.metrics.answers import CheckedGeneration
from sft_cli.metrics.protocol import NamedMetric, Sums, needs_completions
from sft_cli.report.statistics import DrawnRow, StreamedBootstrap
from sft_cli.scoring.generations import prompt_of
from sft_cli.scoring.totals import Totals

MOST_GROUPS_WITH_INTERVALS = 100

GroupMetric = tuple[str | None, str]  # the group, None for the whole file, and the metric's key


@dataclass
class Tally:
    """The totals of some rows, under the name of each group and under None for the whole file. Plain data."""

    bootstrap: StreamedBootstrap | None
    counts: dict[str | None, Counter[str]] = field(default_factory=lambda: {None: _no_rows()})
    totals: defaultdict[GroupMetric, Totals] = field(default_factory=lambda: defaultdict(Totals))
    fields: list[str] = field(default_factory=list)  # the keys of the first row
    prompts: list[tuple[Any, str]] = field(default_factory=list)  # with metrics of samples: each id and its first line
    lines: dict[int, int] = field(default_factory=dict)  # the line of each id and sample, by their hash
    repeated: list[tuple[int, int]] = field(default_factory=list)  # lines with a repeated id and sample, and the first

    def add(
        self,
        named: list[NamedMetric],
        row: dict[str, Any],
        sums: dict[str, Sums | None],
        values: dict[str, float],
        group: Any,
    ) -> None:
        """Add one row's sums, by the key of the metric; None for a metric that does not apply to it.

        `values` are the row's own values.
        """
        self.fields = self.fields or list(row)
        counts = {"rows": 1, **(_about_completion(row) if needs_completions(named) else {})}
        draws: list[tuple[Any, list[float], float | None]] = []
        parts = self._parts(named, values, sums)
        for name in (None,) if group is None else (None, group):
            self.counts.setdefault(name, _no_rows()).update(counts)
            for metric in named:
                if metric.key not in sums:
                    continue
                metric_sums, key = sums[metric.key], (name, metric.key)
                self.totals[key].add(metric_sums)
                if metric.key in parts and self.has_interval(name):
                    draws.append((key, *parts[metric.key]))
        if self.bootstrap:
            self.bootstrap.add(DrawnRow(prompt_of(row), row["sample"] == 0), draws)

    def _parts(
        self, named: list[NamedMetric], values: dict[str, float], sums: dict[str, Sums | None]
    ) -> dict[str, tuple[list[float], float | None]]:
        """The data of each metric for the bootstrap: the sums of the row and its own value, if that may be a share."""
        parts: dict[str, tuple[list[float], float | None]] = {}
        for metric in named if self.bootstrap else ():
            metric_sums = sums.get(metric.key)
            if metric_sums is not None:
                # Only a value between 0 and 1 can be a share; a rating of 1 is not a share.
                value = values.get(metric.primary) if metric.metric.largest == 1 else None
                parts[metric.key] = [metric_sums.get(name, 0) for name in metric.metric.primary_sums], value
        return parts

    def locate(self, row: dict[str, Any], line: int) -> None:
        """Store the line of a row (about 100 bytes), to find a second row with its id and sample."""
        self._locate(hash((row["id"], row["sample"])), line)

    def _locate(self, key: int, line: int) -> None:
        first = self.lines.setdefault(key, line)
        if first != line:
            self.repeated.append((line, first))

    def has_interval(self, group: str | None) -> bool:
        """Whether this group also has a bootstrap: not if there are too many groups."""
        return group is None or len(self.counts) <= MOST_GROUPS_WITH_INTERVALS + 1

    def merge(self, other: Tally) -> None:
        """Add the rows of another tally, which come after these."""
        self.fields = self.fields or other.fields
        for name, line in other.lines.items():
            self._locate(name, line)
        self.repeated += other.repeated
        for group, counts in other.counts.items():
            self.counts.setdefault(group, _no_rows()).update(counts)
        for key, totals in other.totals.items():
            self.totals[key].merge(totals)
        if self.bootstrap and other.bootstrap:
            self.bootstrap.merge(other.bootstrap, lambda key: self.has_interval(key[0]))


def is_cut(row: Mapping[str, Any]) -> bool:
    """Whether the answer ended at the token limit; with --max-new-tokens 0 nothing was generated or cut."""
    return row.get("finish_reason") == "length" and row.get("completion_tokens") != 0


def _about_completion(row: dict[str, Any]) -> dict[str, int]:
    """1 for what is true of the completion of a row."""
    counts = {"errors": int(row["completion"] is None), "truncated": int(is_cut(row))}
    if isinstance(row, CheckedGeneration):
        counts |= {"thoughts": int(row.had_thoughts), "unanswered": int(row.had_thoughts and row.said is None)}
    return counts


def _no_rows() -> Counter[str]:
    return Counter(rows=0, errors=0, truncated=0, thoughts=0, unanswered=0)
