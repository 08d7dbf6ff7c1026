"""Recall at k of a ranking: how much of all that is relevant is among the first k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sft_cli.metrics.ranking import RankingMetric


@dataclass(frozen=True, kw_only=True)
class RecallAtK(RankingMetric):
    """Share of the relevant ids in `gold` that are among the first `k` of the ranking in `context`, mean over rows.

    Grades above 0 are relevant, and all count the same. Equal to `recall_k` of trec_eval 9.
    """

    name: ClassVar[str] = "recall-at-k"
    primary: ClassVar[str] = "recall_at_k"
    primary_sums: ClassVar[tuple[str, ...]] = ("recall_at_k", "count")
    k: int | None = 100

    def value_of(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """Relevant entries among the gains / all relevant entries."""
        return sum(gain > 0 for gain in gains) / len(relevant)
