"""Intervals and tests on added sums: each draw adds the sums of its rows and applies the metric's formula once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from sft_cli.report.intervals import Interval, Outcomes, resampled_interval, share_interval
from sft_cli.run.seed import stable_hash

Seed = int | tuple[int, ...]
Statistic = Callable[[Any], Any]  # added sums (draws, sums) -> values (draws,)

CELLS_AT_ONCE = 250_000  # of a (draws, clusters) matrix: it stays in the cache, which is 4 times faster
MOST_CLUSTERS = 20_000  # clusters that are drawn one by one
MOST_EXACT = 1000  # rows that count with whole numbers of any length
TIE = 1e-12  # differences below this are rounding: they count as equal


def in_blocks(sums: Any, seed: Seed) -> Any:
    """The sums (clusters, sums) of at most MOST_CLUSTERS random blocks of clusters.

    Resampling or swapping whole random blocks is as valid as single clusters, and 10,000 draws of 200,000 clusters take
    a tenth of the time; the variance is known to 1 % (√(2/20,000)). Source: Wolter 2007, "Introduction to Variance
    Estimation", ch. 2, random groups.
    """
    import numpy

    if len(sums) <= MOST_CLUSTERS:
        return sums
    block = numpy.random.default_rng(seed).permutation(len(sums)) % MOST_CLUSTERS
    return numpy.column_stack([numpy.bincount(block, column, MOST_CLUSTERS) for column in sums.T])


def resampled(sums: Any, draws: int, seed: Seed) -> Any:
    """The added sums of `draws` bootstrap resamples of the rows of `sums` (clusters, sums), an array (draws, sums).

    A cluster is all samples of one prompt: samples of one prompt are not independent evidence. Several systems and
    metrics side by side share their resamples, so the bootstrap is paired. Source: Koehn 2004, "Statistical
    significance tests for machine translation evaluation", §4.
    """
    import numpy

    sums = in_blocks(sums, seed)
    generator, clusters, chunks = numpy.random.default_rng(seed), len(sums), [sums[:0]]
    for size in _draw_chunks(draws, clusters):
        picks = generator.integers(0, clusters, size=(size, clusters)) + numpy.arange(size)[:, None] * clusters
        weights = numpy.bincount(picks.ravel(), minlength=size * clusters).reshape(size, clusters).astype(float)
        chunks.append(weights @ sums)
    return numpy.concatenate(chunks)


def swapped(moved: Any, draws: int, seed: Seed) -> Any:
    """The sums that move from one system to the other in `draws` random swaps of clusters, an array (draws, sums).

    moved: the sums of the other system minus those of the base, (clusters, sums). If 2^clusters is at most `draws`, all
    swaps are used, each once.
    """
    import numpy

    moved = in_blocks(moved, seed)
    is_exact = 2 ** min(len(moved), 60) <= draws
    generator, chunks, start = numpy.random.default_rng(seed), [moved[:0]], 0
    for size in _draw_chunks(2 ** len(moved) if is_exact else draws, max(len(moved), 1)):
        if is_exact:
            swaps = (numpy.arange(start, start + size)[:, None] >> numpy.arange(len(moved))) & 1
        else:
            bits = generator.integers(0, 256, size=(size, -(-len(moved) // 8)), dtype=numpy.uint8)
            swaps = numpy.unpackbits(bits, axis=1, count=len(moved)).astype(int)
        chunks.append(swaps.astype(float) @ moved)
        start += size
    return numpy.concatenate(chunks)


def p_of_swaps(base_sum: Any, other_sum: Any, changes: Any, statistic: Statistic, is_exact: bool) -> Any:
    """Two-sided p-value of the paired test that swaps clusters: p = (#{|Δ*| ≥ |Δ|} + 1) / (draws + 1).

    base_sum, other_sum: (sums,); changes: (draws, sums) from `swapped`. Over all swaps p is exact, without the + 1. For
    a statistic with several values, (draws, values), it returns the list of their p-values. Source: Noreen 1989;
    Riezler & Maxwell 2005, "On some pitfalls in automatic evaluation and significance testing for MT", fig. 1. Equals
    scipy.stats.permutation_test(permutation_type="samples") on means.
    """
    import numpy

    observed = numpy.abs((statistic(other_sum[None]) - statistic(base_sum[None]))[0])
    threshold = observed - TIE * numpy.maximum(1.0, observed)
    difference = numpy.abs(statistic(other_sum - changes) - statistic(base_sum + changes))
    at_least = (~(difference < threshold)).sum(axis=0)  # NaN (no row that counts) is not evidence
    trials = len(changes)
    return (at_least / trials if is_exact else (at_least + 1) / (trials + 1)).tolist()


def approximate_randomization(base: Any, other: Any, statistic: Statistic, draws: int, seed: int) -> Any:
    """The p-value of `p_of_swaps` for base and other, arrays (clusters, sums); rows i of both are a pair.

    Clusters with equal sums have no effect and are left out.
    """
    moved = (other - base)[(other != base).any(axis=1)]
    is_exact = 2 ** min(len(moved), 60) <= draws
    return p_of_swaps(base.sum(axis=0), other.sum(axis=0), swapped(moved, draws, seed), statistic, is_exact)


def exact_sign_test(positive: int, negative: int) -> float:
    """The two-sided p-value of the sign test: how likely a split at least this uneven is if both signs are as likely.

    Of the rows that only one of two systems got right it is the exact form of McNemar's test (McNemar 1947, "Note on
    the sampling error of the difference between correlated proportions"). Source: Conover 1999, "Practical
    nonparametric statistics", §3.4; equals scipy.stats.binomtest(positive, positive + negative).
    """
    count, least, total = positive + negative, min(positive, negative), 0.0
    if positive == negative:
        return 1.0
    if count <= MOST_EXACT:
        return 2 * sum(math.comb(count, right) for right in range(least + 1)) / 2**count
    for right in range(least, -1, -1):
        ways = math.lgamma(count + 1) - math.lgamma(right + 1) - math.lgamma(count - right + 1)
        term = math.exp(ways - count * math.log(2))
        total += term
        if term < total * TIE:
            break
    return min(1.0, 2 * total)


def fisher(inside: int, inside_rows: int, all_counted: int, all_rows: int) -> float:
    """The exact p-value, one-sided, of a group in which `inside` of `inside_rows` rows have a property.

    all_counted of all_rows rows have it. p: the probability of at least as many in a group that is drawn at random.
    Source: Fisher 1935, "The logic of inductive inference", JRSS 98; R's fisher.test(alternative = "greater").
    """
    most = min(inside_rows, all_counted)
    if inside <= max(0, inside_rows + all_counted - all_rows):
        return 1.0
    whole = _log_choose(all_rows, inside_rows)
    others = all_rows - all_counted
    terms = (
        math.exp(_log_choose(all_counted, count) + _log_choose(others, inside_rows - count) - whole)
        for count in range(inside, most + 1)
    )
    return min(1.0, math.fsum(terms))


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several comparisons, in the order given. Source: Holm 1979; R's p.adjust("holm")."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _draw_chunks(draws: int, width: int) -> Iterator[int]:
    step = max(1, CELLS_AT_ONCE // max(width, 1))
    for start in range(0, draws, step):
        yield min(step, draws - start)


def poisson_weights(hashes: Any, draws: int) -> Any:
    """Draws from Poisson(1) that depend only on the hash of a row and the number of the draw.

    hashes: uint64 (rows,). Returns uint8 (rows, draws), in steps of 2^-16 of probability: mean 1, variance 0.99997, at
    most 8. Sixteen bits of each word of SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number
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


class DrawnRow(NamedTuple):
    """The cluster of a row, and whether the row is its first."""

    cluster: Any
    is_first: bool


class StreamedBootstrap:
    """Bootstrap of added sums in one pass and constant memory: in every draw each cluster has a weight from Poisson(1).

    The weights of a cluster depend only on the seed and its name, so its samples stay together and the order of rows
    does not matter. Source: Hanley & MacGibbon 2006; Chamandy et al. 2012, "Estimating uncertainty for massive data
    streams", §2.
    """

    ROWS_AT_ONCE = 256

    def __init__(self, draws: int, seed: int) -> None:
        self.draws, self.seed = draws, seed
        self.waiting: list[tuple[Any, list[tuple[Hashable, list[float]]]]] = []
        self.added: dict[Hashable, Any] = {}
        self.outcomes: dict[Hashable, Outcomes] = {}

    def add(self, row: DrawnRow, parts: list[tuple[Hashable, list[float], float | None]]) -> None:
        """Add one row: its sums under each key, and its own value, if it has one."""
        for key, _, value in parts:
            self.outcomes.setdefault(key, Outcomes()).add(row.cluster, value, row.is_first)
        self.waiting.append((row.cluster, [(key, sums) for key, sums, _ in parts]))
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
        """Add the rows of another bootstrap with the same draws and seed, under the given keys."""
        self.flush()
        other.flush()
        for key, change in other.added.items():
            if wants(key):
                self.added[key] = self.added[key] + change if key in self.added else change
                self.outcomes.setdefault(key, Outcomes()).merge(other.outcomes[key])

    def interval(self, key: Hashable, statistic: Statistic, confidence: float, value: float | None) -> Interval:
        """The interval of one key with the `value` over all rows: as a share if it is one, otherwise from the draws."""
        self.flush()
        seen = self.outcomes.get(key)
        if seen is None:
            return Interval(None, missing="no rows")
        if seen.is_share_of(value):
            return share_interval(seen.right, seen.rows, confidence)
        return resampled_interval(statistic(self.added[key]), confidence, seen.prompt_count)
