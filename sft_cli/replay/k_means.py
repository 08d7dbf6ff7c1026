"""Coverage: every cluster of a task's embeddings contributes rows in proportion to its size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, Task, ranked

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 100  # most steps of Lloyd's algorithm


def k_means(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows nearest to the centres of clusters of embeddings, from each cluster in proportion to its size (SSR)."""

    def rank(task: Task) -> np.ndarray:
        return coverage_order(measures.embeddings(task.rows), measures.clusters, task.seed)

    return ranked(rows, budget, seed, rank)


def coverage_order(embeddings: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """An order (N,) whose every beginning has the clusters in proportion, each from its centre outwards.

    Row j (from 0) of a cluster of n is near (j + ½)/n of the order. Ties: the larger cluster, then the first row.
    Source: Huang et al. 2024 (SSR, arXiv 2403.01244), which fixes the sizes for one budget.
    """
    import numpy as np

    centres, labels = cluster(embeddings.astype(np.float64), clusters, seed)
    distances = ((embeddings - centres[labels]) ** 2).sum(axis=1)
    sizes = np.bincount(labels, minlength=len(centres))
    places = np.empty(len(labels))
    for number in range(len(centres)):
        members = np.flatnonzero(labels == number)
        outwards = members[np.argsort(distances[members], kind="stable")]
        places[outwards] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((labels, -sizes[labels], places))


def cluster(points: np.ndarray, clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (at most `clusters`, d) and the nearest one of each point (N,): Lloyd's algorithm from k-means++.

    There are fewer centres than `clusters` if there are fewer distinct points. Source: Arthur & Vassilvitskii 2007.
    """
    import numpy as np

    centres = _begin(points, clusters, np.random.default_rng(seed))
    labels = _nearest(points, centres)
    for _ in range(ROUNDS):
        for number in range(len(centres)):
            members = labels == number
            if members.any():
                centres[number] = points[members].mean(axis=0)
        before, labels = labels, _nearest(points, centres)
        if np.array_equal(before, labels):
            break
    return centres, labels


def _begin(points: np.ndarray, clusters: int, draws: np.random.Generator) -> np.ndarray:
    """Points (≤ clusters, d), each drawn in proportion to its squared distance from those before (k-means++)."""
    import numpy as np

    centres = [points[int(draws.integers(len(points)))]]
    far = ((points - centres[0]) ** 2).sum(axis=1)
    while len(centres) < clusters and far.max() > 1e-12:  # otherwise every point is a centre
        centres.append(points[int(draws.choice(len(points), p=far / far.sum()))])
        far = np.minimum(far, ((points - centres[-1]) ** 2).sum(axis=1))
    return np.array(centres)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of each point (N,); the first of several that are equally near."""
    nearest: np.ndarray = ((centres**2).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)
    return nearest
