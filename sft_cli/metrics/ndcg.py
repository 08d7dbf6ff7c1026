"""Normalised discounted cumulative gain (nDCG) of a ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sft_cli.metrics.ranking import RankingMetric


@dataclass(frozen=True, kw_only=True)
class Ndcg(RankingMetric):
    """DCG of the first `k` of the ranking in `context` / DCG of the best ranking of all ids in `gold`, mean over rows.

    DCG = Σ grade / log₂(rank + 1): linear gain. Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR
    techniques", with this discount at every rank; equal to `ndcg_cut_k` of trec_eval 9.
    """

    name: ClassVar[str] = "ndcg"
    primary: ClassVar[str] = "ndcg"
    primary_sums: ClassVar[tuple[str, ...]] = ("ndcg", "count")
    k: int | None = 10

    def value_of(self, gains: Sequence[float], relevant: Sequence[float]) -> float:
        """DCG of the gains / DCG of the best ranking."""
        return _dcg(gains) / _dcg(relevant[: self.k])

    def signature_parts(self) -> dict[str, str]:
        """The last rank that counts, the gain and the discount."""
        return {**super().signature_parts(), "gain": "linear", "discount": "log2"}


def _dcg(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
