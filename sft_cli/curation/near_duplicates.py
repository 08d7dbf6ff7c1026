"""Rows that are nearly equal: all pairs with a Jaccard index of at least a bound, without comparing all pairs."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sft_cli.curation.duplicates import ComparedPart, Duplicate, FindsDuplicates, compared_text, content_hash
from sft_cli.curation.word_runs import WordRuns
from sft_cli.data.rows import Row
from sft_cli.metrics.near_sets import ROUNDING, jaccard
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import UserError

if TYPE_CHECKING:
    import numpy as np

ROWS_TOGETHER = 5_000  # rows whose runs are computed together
BYTES_OF_RUN = 40  # of memory, while the rows that have a run are looked for


@dataclass(kw_only=True)
class NearDuplicates(FindsDuplicates):
    """Rows whose runs of `n` words have a Jaccard index of at least `least`; on=question, on=answer: of this part.

    A row is left out only if it is that near to a row that is kept. All such rows are found. Runs are in a temporary
    file; `memory` in GB bounds what is held of them at once.
    """

    name: ClassVar[str] = "near"
    on: ComparedPart = "both"
    least: float = 0.8
    n: int = field(default=3, metadata={"minimum": 1})
    memory: float = 1.0
    _runs: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.least > 1:
            raise UserError(f"near: least: expected at most 1, got {self.least:g}")

    def see(self, row: Row) -> None:
        """Keep the runs of the row, in a temporary file."""
        if self._runs is None:
            self._runs = _StoredRuns(self.n)
        self._runs.add(mixed(compared_text(row, self.on)), content_hash(row))

    def duplicates(self) -> dict[int, Duplicate]:
        """The rows that are near a kept row, by the order of the hashes of their contents."""
        return self._runs.left_out(self.least, int(self.memory * 1e9)) if self._runs else {}


class _StoredRuns:
    """The different runs of all rows, in a file that is closed, and so removed, with this object."""

    def __init__(self, n: int) -> None:
        self.word_runs = WordRuns(n)
        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        self.ends = array("Q", [0])
        self.contents = array("Q")
        self.waiting: list[list[str]] = []

    def add(self, words: list[str], content: int) -> None:
        self.contents.append(content)
        self.waiting.append(words)
        if len(self.waiting) >= ROWS_TOGETHER:
            self._store()

    def _store(self) -> None:
        if self.waiting:
            numbers, sizes = self.word_runs.of(self.waiting)
            self.file.write(numbers.tobytes())
            for size in sizes.tolist():
                self.ends.append(self.ends[-1] + size)
            self.waiting = []

    def left_out(self, least: float, memory: int) -> dict[int, Duplicate]:
        """Rows are taken in the order of their content's hash; one that is near a kept row is left out."""
        import numpy as np

        self._store()
        self.file.flush()
        size = len(self.contents)
        if not size:
            return {}
        runs = np.memmap(self.file, dtype=np.uint64, mode="r") if self.ends[-1] else np.zeros(0, dtype=np.uint64)
        ends = np.frombuffer(self.ends, dtype=np.uint64).astype(np.int64)
        sizes = np.diff(ends)
        rare = rarest_shared(runs, ends, least, memory)
        order = np.lexsort((np.arange(size), np.frombuffer(self.contents, dtype=np.uint64)))
        kept_with: defaultdict[int, list[int]] = defaultdict(list)  # the kept rows that have a run
        left_out: dict[int, Duplicate] = {}
        for number in order[np.isin(order, np.fromiter(rare, dtype=np.int64, count=len(rare)))].tolist():
            own, mine, best = rare[number], runs[ends[number] : ends[number + 1]], Duplicate(-1, 0.0)
            for other in dict.fromkeys(kept for run in own for kept in kept_with[run]):
                if min(sizes[number], sizes[other]) + ROUNDING < least * max(sizes[number], sizes[other]):
                    continue
                share = jaccard(mine, runs[ends[other] : ends[other + 1]])
                if share >= least - ROUNDING and share > best.share:
                    best = Duplicate(other, share)
            if best.share:
                left_out[number] = best
            else:
                for run in own:
                    kept_with[run].append(number)
        return left_out


def rarest_shared(runs: np.ndarray, ends: np.ndarray, least: float, memory: int) -> dict[int, list[int]]:
    """For each row those of its rarest runs that other rows have too, by numbers of runs.

    Rows without such a run are not in it. runs: the different runs of each row, one row after another; ends: where each
    ends, from 0. Two rows with a Jaccard index of at least `least` have one of these runs in common: of a row with s
    runs, the s − ⌈least · s⌉ + 1 rarest are looked at. Source: Bayardo et al. 2007, "Scaling up all pairs similarity
    search" (prefix filtering).
    """
    import numpy as np

    sizes = np.diff(ends)
    shared = np.concatenate([np.zeros((0, 3), dtype=np.int64), *_shared_runs(runs, ends, memory)])
    rows, counts, names = shared.T
    order = np.lexsort((names, counts, rows))
    rows, names = rows[order], names[order]
    starts = np.searchsorted(rows, np.arange(len(sizes)))
    alone = sizes - np.bincount(rows, minlength=len(sizes))  # runs that no other row has are the rarest
    looked_at = sizes - np.ceil(least * sizes - ROUNDING).astype(np.int64) + 1 - alone
    is_rare = np.arange(len(rows)) - starts[rows] < looked_at[rows]
    rare: defaultdict[int, list[int]] = defaultdict(list)
    for row, name in zip(rows[is_rare].tolist(), names[is_rare].tolist(), strict=True):
        rare[row].append(name)
    return dict(rare)


def _shared_runs(runs: np.ndarray, ends: np.ndarray, memory: int) -> Iterator[np.ndarray]:
    """For each run that several rows have: (row, number of rows with it, a number for the run), int64 (entries, 3).

    The runs are looked at in parts by their hashes, each small enough for the memory.
    """
    import numpy as np

    parts = 1 + len(runs) * BYTES_OF_RUN // max(memory, 1)
    block = max(1, memory // BYTES_OF_RUN)
    first_name = 0
    for part in range(parts):
        keys, owners = [], []
        for start in range(0, len(runs), block):
            own = np.asarray(runs[start : start + block])
            places = np.flatnonzero(own % np.uint64(parts) == part) if parts > 1 else np.arange(len(own))
            keys.append(own[places])
            owners.append(np.searchsorted(ends, places + start, side="right") - 1)
        key, owner = np.concatenate([*keys, np.zeros(0, np.uint64)]), np.concatenate([*owners, np.zeros(0, np.int64)])
        order = np.argsort(key, kind="stable")
        key, owner = key[order], owner[order]
        is_first = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, dtype=bool)
        names = np.cumsum(is_first) - 1
        counts = np.bincount(names) if len(key) else np.zeros(0, dtype=np.int64)
        several = counts[names] > 1 if len(key) else np.zeros(0, dtype=bool)
        yield np.column_stack([owner[several], counts[names[several]], names[several] + first_name])
        first_name += len(counts)
