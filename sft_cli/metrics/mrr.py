"""Mean reciprocal rank of a ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sft_cli.metrics.ranking import RankingMetric


@dataclass(frozen=True, kw_only=True)
class Mrr(RankingMetric):
    """1 / rank of the first relevant id of the ranking in `context`, mean over rows; 0 if there is none.

    With `k` only the first k ranks count. Voorhees 1999, "The TREC-8 question answering track report"; equal to
    `recip_rank` of trec_eval 9.
    """

    name: ClassVar[str] = "mrr"
    primary: ClassVar[str] = "mrr"
    primary_sums: ClassVar[tuple[str, ...]] = ("mrr", "count")
    k: int | None = None

    def value_of(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """1 / the first rank with a gain, or 0."""
        return next((1 / rank for rank, gain in enumerate(gains, 1) if gain > 0), 0.0)
