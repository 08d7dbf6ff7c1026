"""Rows that are nearly equal: candidates by MinHash, each of them compared by its real Jaccard index."""

from __future__ import annotations

import tempfile
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sft_cli.curation.duplicates import ComparedPart, Duplicate, FindsDuplicates, compared_text, content_hash
from sft_cli.data.rows import Row
from sft_cli.metrics.near_sets import jaccard
from sft_cli.metrics.ngram_hashes import ngram_numbers
from sft_cli.metrics.tokenizers import mixed
from sft_cli.run.errors import UserError, require

if TYPE_CHECKING:
    import numpy as np

SIGNED_TOGETHER = 10_000  # rows whose signatures are computed together
SEED = 1
LEAST_FOUND = 0.98  # probability that two rows with a Jaccard index of `least` become a candidate


@dataclass(kw_only=True)
class NearDuplicates(FindsDuplicates):
    """Rows whose runs of `n` words have a Jaccard index of at least `least`; on=question, on=answer: of this part.

    A row is left out only if it is that near to a row that is kept. MinHash signatures of `permutations` numbers name
    the candidates. Runs and signatures are in temporary files: the memory is about 100 bytes for each row.
    """

    name: ClassVar[str] = "near"
    on: ComparedPart = "both"
    least: float = 0.8
    n: int = field(default=3, metadata={"minimum": 1})
    permutations: int = field(default=128, metadata={"minimum": 16})
    _state: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.least > 1:
            raise UserError(f"near: least: expected at most 1, got {self.least:g}")

    def see(self, row: Row) -> None:
        """Keep the runs of the row, in a temporary file."""
        if self._state is None:
            require("rensa", "--dedup near", "rensa>=0.5")
            self._state = _Runs(self.permutations)
        words = mixed(compared_text(row, self.on))
        self._state.add(ngram_numbers(words, min(self.n, max(len(words), 1))), content_hash(row))

    def duplicates(self) -> dict[int, Duplicate]:
        """The rows that are near a kept row, by the order of the hashes of their contents."""
        if self._state is None:
            return {}
        return self._state.left_out(self.least)


class _Runs:
    """The runs of all rows, and their signatures."""

    def __init__(self, permutations: int) -> None:
        self.permutations = permutations
        # Both are closed, and so removed, with this object.
        self.runs, self.signatures = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self.ends = array("Q", [0])
        self.contents = array("Q")
        self.waiting: list[np.ndarray] = []

    def add(self, numbers: np.ndarray, content: int) -> None:
        import numpy as np

        unique = np.unique(numbers)
        self.runs.write(unique.tobytes())
        self.ends.append(self.ends[-1] + len(unique))
        self.contents.append(content)
        self.waiting.append(unique)
        if len(self.waiting) >= SIGNED_TOGETHER:
            self._sign()

    def _sign(self) -> None:
        """Write the signatures of the rows that wait."""
        import numpy as np
        from rensa import RMinHash

        if self.waiting:
            digests = RMinHash.digest_matrix_from_token_hash_sets(self.waiting, self.permutations, SEED).to_rows()
            self.signatures.write(np.asarray(digests, dtype=np.uint32).tobytes())
            self.waiting = []

    def left_out(self, least: float) -> dict[int, Duplicate]:
        """Rows are taken in the order of their content's hash; one that is near a kept row is left out."""
        import numpy as np

        self._sign()
        for file in (self.runs, self.signatures):
            file.flush()
        size = len(self.contents)
        if not self.ends[-1]:
            return {}
        runs = np.memmap(self.runs, dtype=np.uint64, mode="r")
        signatures = np.memmap(self.signatures, dtype=np.uint32, mode="r").reshape(size, self.permutations)
        groups = band_groups(signatures, least)
        order = np.lexsort((np.arange(size), np.frombuffer(self.contents, dtype=np.uint64)))
        kept_in: defaultdict[int, list[int]] = defaultdict(list)  # the kept rows of each group
        left_out: dict[int, Duplicate] = {}
        for number in order[(groups[order] >= 0).any(axis=1)].tolist():
            own = [group for group in groups[number].tolist() if group >= 0]
            best = Duplicate(-1, 0.0)
            for other in dict.fromkeys(kept for group in own for kept in kept_in[group]):
                share = jaccard(self._set(runs, number), self._set(runs, other))
                if share >= least and share > best.share:
                    best = Duplicate(other, share)
            if best.share:
                left_out[number] = best
            else:
                for group in own:
                    kept_in[group].append(number)
        return left_out

    def _set(self, runs: np.ndarray, number: int) -> np.ndarray:
        return runs[self.ends[number] : self.ends[number + 1]]


def bands_of(permutations: int, least: float) -> tuple[int, int]:
    """(bands, rows of a band) of locality-sensitive hashing: as many rows as possible with LEAST_FOUND at `least`.

    Two signatures that agree in each place with probability s agree in all places of some band with probability
    1 − (1 − s^rows)^bands. Source: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", §3.4.
    """
    for rows in range(permutations, 0, -1):
        bands = permutations // rows
        if 1 - (1 - least**rows) ** bands >= LEAST_FOUND:
            return bands, rows
    return permutations, 1


def band_groups(signatures: np.ndarray, least: float) -> np.ndarray:
    """For each row and band the number of the rows that have the band in common, int64 (rows, bands); −1 if alone."""
    import numpy as np

    bands, rows = bands_of(signatures.shape[1], least)
    groups = np.full((len(signatures), bands), -1, dtype=np.int64)
    first = 0
    for band in range(bands):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        keys = part.view(np.dtype((np.void, part.dtype.itemsize * rows))).ravel()
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        shared = counts[inverse] > 1
        groups[shared, band] = first + inverse[shared]
        first += len(counts)
    return groups
