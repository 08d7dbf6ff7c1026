"""Shares of sources: the rows of each source in an epoch and in a step."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sft_cli.run.errors import UserError
from sft_cli.run.named import check_names, parse_numbers
from sft_cli.run.seed import stable_hash
from sft_cli.run.text import counted
from sft_cli.training.settings import TrainSettings

SOURCE_HINT = "\nhint: the name is the task of a row; for a row without a task, the name of its file without endings"


@dataclass(frozen=True)
class Mixture:
    """K sources with a share: `names`, `members` (arrays of row numbers), and `counts` (K,) of rows in an epoch."""

    names: list[str]
    members: list[np.ndarray]
    counts: np.ndarray
    seed: int

    @property
    def rows(self) -> int:
        """Rows of an epoch, repeated ones included."""
        return int(self.counts.sum())

    def drawn(self, epoch: int) -> list[np.ndarray]:
        """The rows of each source in an epoch (K arrays of `counts` row numbers).

        A source uses all its rows in a seeded order before it repeats a row, and the next epoch continues from the end
        of this epoch.
        """
        samples = []
        for name, members, count in zip(self.names, self.members, self.counts.tolist(), strict=True):
            first, last = epoch * count, (epoch + 1) * count
            passes = range(first // len(members), -(-last // len(members)))
            orders = [np.random.default_rng((self.seed, stable_hash(name), number)) for number in passes]
            rows = np.concatenate([members[order.permutation(len(members))] for order in orders])
            start = first - passes.start * len(members)
            samples.append(rows[start : start + count])
        return samples

    def steps(self, epoch: int, batch_size: int) -> list[list[int]]:
        """The rows of every step of `batch_size` rows: the share of each source, rounded down or up."""
        sizes = [min(batch_size, self.rows - start) for start in range(0, self.rows, batch_size)]
        quotas = step_counts(self.counts, sizes)
        ends = np.cumsum(quotas, axis=0)
        drawn = self.drawn(epoch)
        return [
            [
                int(row)
                for rows, stop, count in zip(drawn, last, taken, strict=True)
                for row in rows[stop - count : stop]
            ]
            for last, taken in zip(ends.tolist(), quotas.tolist(), strict=True)
        ]

    def sequence(self, epoch: int) -> list[int]:
        """The rows of an epoch with the sources evenly mixed: row j of n of a source is near (j + ½)/n."""
        places = np.concatenate([(np.arange(count) + 0.5) / count for count in self.counts.tolist()])
        order: np.ndarray = np.concatenate(self.drawn(epoch))[np.argsort(places, kind="stable")]
        return order.tolist()

    def lines(self) -> list[str]:
        """The rows of each source in an epoch, as text."""
        shown = []
        for name, members, count in zip(self.names, self.members, self.counts.tolist(), strict=True):
            seen = f"{counted(count, 'row')} per epoch, each seen {count / len(members):.2f} times"
            shown.append(f"  {name}: {count / self.rows:.1%} of the rows; {len(members):,} rows, {seen}")
        return [f"mix: {counted(len(self.names), 'source')}", *shown]


def mixture_of(sources: Sequence[str], settings: TrainSettings) -> Mixture | None:
    """The mixture of the settings, of rows with these sources; None without a mixture.

    Raises UserError for a name that no row has, and for a source without a share.
    """
    if not settings.mix and settings.mix_temperature is None and not settings.stratify:
        return None
    sizes = Counter(sources)
    known = sorted(sizes)
    if not settings.mix:
        largest = max(sizes.values())  # first, so that a low temperature does not overflow
        power = 1 / (settings.mix_temperature or 1.0)
        shares = {name: max((sizes[name] / largest) ** power, sys.float_info.min) for name in known}
    else:
        shares = parse_numbers("--mix", settings.mix, may_be_zero=True)
        check_names("--mix", shares, known, SOURCE_HINT)
        missing = [name for name in known if name not in shares]
        if missing:
            raise UserError(
                f"--mix: {missing[0]} ({counted(sizes[missing[0]], 'row')}) has no share; expected one for each of "
                f"{', '.join(known)}\nhint: --mix {missing[0]}=0 leaves it out"
            )
        if not any(shares.values()):
            raise UserError("--mix: expected a share above 0, got only zeros")
    names = [name for name in known if shares[name] > 0]
    numbers = np.array([names.index(source) if source in names else -1 for source in sources])
    members = [np.flatnonzero(numbers == number) for number in range(len(names))]
    counts = apportion([shares[name] for name in names], sum(len(rows) for rows in members))
    if settings.stratify:
        counts = stratified(counts, settings.rows_per_step or 0)
    return Mixture(names, members, counts, settings.seed)


def apportion(shares: Sequence[float], rows: int) -> np.ndarray:
    """Whole numbers (K,) that sum to `rows` (K or more), by largest remainders of the shares; each is at least 1."""
    exact = np.array(shares, dtype=np.float64) / np.sum(shares, dtype=np.float64) * rows
    counts = np.floor(exact).astype(np.int64)
    remainders = np.argsort(-(exact - counts), kind="stable")
    counts[remainders[: rows - counts.sum()]] += 1
    while (counts == 0).any():
        counts[np.argmax(counts)] -= 1
        counts[np.argmin(counts)] += 1
    return counts


def stratified(counts: np.ndarray, batch_size: int) -> np.ndarray:
    """Counts (K,), each large enough for a row in every step of `batch_size` rows; the last step of an epoch is full.

    Counts that are too small become the number of steps; the others share the rest in the same proportions. Raises
    UserError if a step has no room for all sources.
    """
    if len(counts) > batch_size:
        raise UserError(
            f"--stratify: expected steps of at least {counted(len(counts), 'row')}, one for each source, got "
            f"{batch_size}\nhint: --batch-size {len(counts)}"
        )
    steps = -(-int(counts.sum()) // batch_size)
    new_counts = apportion(counts.tolist(), steps * batch_size)
    raised = np.zeros(len(counts), dtype=bool)
    while (new_counts < steps).any():
        raised |= new_counts < steps
        new_counts[raised] = steps
        new_counts[~raised] = apportion(counts[~raised].tolist(), steps * (batch_size - int(raised.sum())))
    return new_counts


def step_counts(counts: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Rows of each source in each step (S, K): sums over steps are `counts`, sums over sources are `sizes`.

    Each is its exact share size·counts/Σcounts rounded down or up, so the error of a step is less than one row; in
    practice this is also true for every beginning of the epoch. The rows that rounding leaves in a step go to the
    sources that are behind, first to those that would be a whole row behind first: earliest deadline first, as in
    Baruah et al. 1996.
    """
    total = int(counts.sum())
    exact = np.array(sizes, dtype=np.int64)[:, None] * counts[None]
    given, rests = exact // total, exact % total  # whole rows, and the rest in units of 1/total
    behind = np.zeros_like(counts)
    never = len(sizes) * total
    for step, rest in enumerate(rests):
        behind += rest
        extra = int(rest.sum()) // total
        if not extra:
            continue
        left = len(sizes) - 1 - step
        deadline = np.minimum(-(-(total - behind) // np.maximum(rest, 1)), left)
        can_wait = np.where((rest > 0) & (behind > 0), deadline, np.where(rest > 0, never, 2 * never))
        urgent = np.lexsort((-behind, can_wait))[:extra]
        given[step, urgent] += 1
        behind[urgent] -= total
    return settle(given, counts)


def settle(given: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Correct sums over steps that differ from `counts`, from the last step backwards; sums of steps stay.

    None of 100,000 random mixtures needed it, but there is no proof.
    """
    while (short := counts - given.sum(axis=0)).any():
        least, most = int(short.argmin()), int(short.argmax())
        step = int(np.flatnonzero(given[:, least])[-1])
        given[step, least] -= 1
        given[step, most] += 1
    return given
