"""Fusion: one ranking of several, from the ranks alone."""

from __future__ import annotations

from collections.abc import Sequence

from sft_cli.evidence.index.search_index import Hit

RANK_OFFSET = 60  # k of the paper
LEAST_DEPTH = 100


def fusion_depth(top_k: int) -> int:
    """How many hits of each ranking are read: max(100, 10·top_k)."""
    return max(LEAST_DEPTH, 10 * top_k)


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """All passages of the rankings, by Σ 1 / (k + rank) over the rankings that have the passage, k = 60.

    Ranks begin with 1. Equal sums are in the order of the corpus. Source: Cormack, Clarke and Büttcher 2009,
    "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", section 2.
    """
    sums: dict[int, float] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, 1):
            sums[hit.passage] = sums.get(hit.passage, 0.0) + 1 / (RANK_OFFSET + rank)
    return [Hit(passage, score) for passage, score in sorted(sums.items(), key=lambda item: (-item[1], item[0]))]
