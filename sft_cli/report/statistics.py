"""Intervals and tests on added sums: every draw adds the rows' sums again and applies the metric's formula once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Any

from sft_cli.run.seed import stable_hash

Statistic = Callable[[Any], Any]  # added sums (draws, sums) -> values (draws,)

CELLS_AT_ONCE = 250_000  # of a (draws, clusters) matrix: it stays in the cache, which is 4 times faster
TIE = 1e-12  # differences that are equal but for rounding count as equal


def paired_bootstrap(base: Any, other: Any, statistic: Statistic, draws: int, seed: int) -> Any:
    """Differences `statistic(other) − statistic(base)` of `draws` resamples of the pairs, an array (draws,).

    base, other: summed sums of each cluster, arrays (clusters, sums), row i of both being a pair. A cluster is all
    samples of one prompt, so that samples of a prompt do not pass for independent evidence.
    Source: Koehn 2004, "Statistical significance tests for machine translation evaluation", §4.
    """
    import numpy

    generator = numpy.random.default_rng(seed)
    clusters, differences = len(base), []
    for size in _chunks(draws, clusters):
        picks = generator.integers(0, clusters, size=(size, clusters)) + numpy.arange(size)[:, None] * clusters
        weights = numpy.bincount(picks.ravel(), minlength=size * clusters).reshape(size, clusters).astype(float)
        differences.append(statistic(weights @ other) - statistic(weights @ base))
    return numpy.concatenate(differences) if differences else numpy.empty(0)


def percentile_interval(values: Any, confidence: float) -> tuple[float, float] | None:
    """The central interval that holds `confidence` of the values (NaN left out); None if there are none.

    Source: Efron & Tibshirani 1993, §13.3, the percentile interval.
    """
    import numpy

    known = numpy.sort(values[~numpy.isnan(values)])
    if not len(known):
        return None
    tail = (1 - confidence) / 2
    # numpy.quantile does the same, but loads numpy.ma for it: 15 ms of a command that takes 300.
    low, high = numpy.interp([tail * (len(known) - 1), (1 - tail) * (len(known) - 1)], range(len(known)), known)
    return float(low), float(high)


def approximate_randomization(base: Any, other: Any, statistic: Statistic, draws: int, seed: int) -> Any:
    """Two-sided p-value of the paired test that swaps whole clusters between the two systems.

    A statistic of several values at once, (draws, values), gives the list of their p-values.

    base, other: arrays (clusters, sums) as for `paired_bootstrap`. p = (#{|Δ*| ≥ |Δ|} + 1) / (draws + 1); exact, over
    all swaps, if there are no more of them than draws. Clusters whose sums are equal cannot matter and are left out.
    Source: Noreen 1989; Riezler & Maxwell 2005, "On some pitfalls in automatic evaluation and significance testing
    for MT", fig. 1. Equals scipy.stats.permutation_test(permutation_type="samples") on means.
    """
    import numpy

    base_sum, other_sum = base.sum(axis=0), other.sum(axis=0)
    moved = (other - base)[(other != base).any(axis=1)]
    observed = numpy.abs((statistic(other_sum[None]) - statistic(base_sum[None]))[0])
    threshold = observed - TIE * numpy.maximum(1.0, observed)
    is_exact = 2 ** min(len(moved), 60) <= draws
    generator, at_least = numpy.random.default_rng(seed), numpy.zeros(observed.shape)
    trials = 2 ** len(moved) if is_exact else draws
    start = 0
    for size in _chunks(trials, max(len(moved), 1)):
        if is_exact:
            swaps = (numpy.arange(start, start + size)[:, None] >> numpy.arange(len(moved))) & 1
        else:
            swaps = generator.integers(0, 2, size=(size, len(moved)), dtype=numpy.int8)
        change = swaps.astype(float) @ moved
        # Swapping moves `change` from one system to the other. NaN (nothing left that counts) is no evidence.
        difference = numpy.abs(statistic(other_sum - change) - statistic(base_sum + change))
        at_least = at_least + (~(difference < threshold)).sum(axis=0)
        start += size
    return (at_least / trials if is_exact else (at_least + 1) / (trials + 1)).tolist()


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several comparisons, in the order given. Source: Holm 1979; R's p.adjust("holm")."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _chunks(draws: int, width: int) -> Iterator[int]:
    step = max(1, CELLS_AT_ONCE // max(width, 1))
    for start in range(0, draws, step):
        yield min(step, draws - start)


def poisson_weights(hashes: Any, draws: int) -> Any:
    """Draws from Poisson(1) that depend on a row's hash and the number of the draw alone.

    hashes: uint64 (rows,). Gives uint8 (rows, draws), in steps of 2^-16 of probability: mean 1, variance 0.99997,
    at most 8. Sixteen bits of each word of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number
    generators", fig. 17) choose a draw: a generator for each row would take ten times as long.
    """
    import numpy

    words = numpy.arange(1, -(-draws // 4) + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    mixed = hashes[:, None] + words
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> numpy.uint64(shift)
        mixed *= numpy.uint64(factor)
    mixed ^= mixed >> numpy.uint64(31)
    return _poisson_table()[mixed.view(numpy.uint16)[:, :draws]]


@cache
def _poisson_table() -> Any:
    """Poisson(1)'s quantiles at the middle of 2^16 equal steps."""
    import numpy

    below = numpy.cumsum([math.exp(-1) / math.factorial(count) for count in range(20)])
    return numpy.searchsorted(below, (numpy.arange(2**16) + 0.5) / 2**16).astype(numpy.uint8)


class StreamedBootstrap:
    """Bootstrap of added sums in one pass and constant memory: each cluster weighs Poisson(1) in every draw.

    A cluster's weights depend on the seed and its name alone, so its samples stay together and the order of rows
    does not matter. Source: Hanley & MacGibbon 2006; Chamandy et al. 2012, "Estimating uncertainty for massive data
    streams", §2.
    """

    ROWS_AT_ONCE = 256

    def __init__(self, draws: int, seed: int) -> None:
        self.draws, self.seed = draws, seed
        self.waiting: list[tuple[Any, list[tuple[Hashable, list[float]]]]] = []
        self.added: dict[Hashable, Any] = {}

    def add(self, cluster: Any, parts: list[tuple[Hashable, list[float]]]) -> None:
        """Add one row: the name of its cluster, and its sums under each key."""
        self.waiting.append((cluster, parts))
        if len(self.waiting) >= self.ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Add the waiting rows to the draws."""
        import numpy

        if not self.waiting:
            return
        hashes = numpy.array([stable_hash(self.seed, cluster) for cluster, _ in self.waiting], dtype=numpy.uint64)
        weights = poisson_weights(hashes, self.draws).astype(float)
        rows: dict[Hashable, tuple[list[int], list[list[float]]]] = {}
        for place, (_, parts) in enumerate(self.waiting):
            for key, sums in parts:
                places, row_sums = rows.setdefault(key, ([], []))
                places.append(place)
                row_sums.append(sums)
        for key, (places, row_sums) in rows.items():
            chosen = weights if len(places) == len(weights) else weights[places]
            change = chosen.T @ numpy.array(row_sums, dtype=float)
            self.added[key] = self.added[key] + change if key in self.added else change
        self.waiting = []

    def merge(self, other: StreamedBootstrap, wants: Callable[[Any], bool] = lambda key: True) -> None:
        """Add the rows that another bootstrap of the same draws and seed has, under the keys that are wanted."""
        self.flush()
        other.flush()
        for key, change in other.added.items():
            if wants(key):
                self.added[key] = self.added[key] + change if key in self.added else change

    def interval(self, key: Hashable, statistic: Statistic, confidence: float) -> tuple[float, float] | None:
        """The percentile interval of `statistic` over the draws of one key."""
        self.flush()
        return percentile_interval(statistic(self.added[key]), confidence) if key in self.added else None
