"""Rows that say the same in other words: rows whose embeddings have a high cosine, by a model that you choose."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sft_cli.curation.duplicates import ComparedPart, Duplicate, FindsDuplicates, compared_text, content_hash
from sft_cli.data.rows import Row
from sft_cli.run.errors import UserError

if TYPE_CHECKING:
    import numpy as np

EMBEDDED_TOGETHER = 256  # texts
COMPARED_TOGETHER = 1024  # rows, with all kept rows
# Opens an embedding model: (name) -> a function from texts to vectors (N, d).
OpensEmbedder = Callable[[str], Callable[[Sequence[str]], Any]]


@dataclass(kw_only=True)
class SemanticDuplicates(FindsDuplicates):
    """Rows whose embeddings by the checkpoint `model` have a cosine of at least `least`; on=question, on=answer.

    A row is left out only if it is that near to a row that is kept. All kept rows are compared with each other: 100,000
    rows take minutes, a million takes hours. Vectors are in a temporary file.
    """

    name: ClassVar[str] = "semantic"
    on: ComparedPart = "both"
    model: str = ""
    least: float = 0.95
    opens: OpensEmbedder | None = field(default=None, init=False, repr=False)
    contents: Any = field(default_factory=lambda: array("Q"), init=False, repr=False)
    _waiting: list[str] = field(default_factory=list, init=False, repr=False)
    _embed: Callable[[Sequence[str]], Any] | None = field(default=None, init=False, repr=False)
    _vectors: Any = field(default=None, init=False, repr=False)
    _width: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.model:
            raise UserError(
                "semantic: model: expected an embedding checkpoint, got nothing\nhint: --dedup semantic:model=DIR"
            )
        if self.least > 1:
            raise UserError(f"semantic: least: expected at most 1, got {self.least:g}")

    def files(self) -> list[str]:
        """The checkpoint."""
        return [self.model]

    def see(self, row: Row) -> None:
        """Embed the row, together with others."""
        self.contents.append(content_hash(row))
        self._waiting.append(compared_text(row, self.on))
        if len(self._waiting) >= EMBEDDED_TOGETHER:
            self._write()

    def _write(self) -> None:
        import numpy as np

        if not self._waiting:
            return
        if self._embed is None:
            assert self.opens is not None
            self._embed = self.opens(self.model)
            # Closed, and so removed, with this object.
            self._vectors = tempfile.TemporaryFile()  # noqa: SIM115
        vectors = np.array(self._embed(self._waiting), dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0, lengths, np.float32(1))
        self._width = vectors.shape[1]
        self._vectors.write(vectors.tobytes())
        self._waiting = []

    def duplicates(self) -> dict[int, Duplicate]:
        """The rows that are near a kept row, by the order of the hashes of their contents."""
        import numpy as np

        self._write()
        if not len(self.contents):
            return {}
        self._vectors.flush()
        vectors = np.memmap(self._vectors, dtype=np.float32, mode="r").reshape(len(self.contents), self._width)
        order = np.lexsort((np.arange(len(vectors)), np.frombuffer(self.contents, dtype=np.uint64)))
        kept: list[int] = []
        left_out: dict[int, Duplicate] = {}
        for start in range(0, len(order), COMPARED_TOGETHER):
            numbers = order[start : start + COMPARED_TOGETHER]
            block = np.asarray(vectors[numbers])
            best, share = _nearest_kept(block, vectors, kept)
            own = block @ block.T
            kept_here: list[int] = []  # places in the block
            for place, number in enumerate(numbers.tolist()):
                near = max(kept_here, key=lambda other: own[place, other], default=-1)
                if near >= 0 and own[place, near] > share[place]:
                    best[place], share[place] = numbers[near], own[place, near]
                if share[place] >= self.least - 1e-6:
                    left_out[number] = Duplicate(int(best[place]), min(round(float(share[place]), 4), 1.0))
                else:
                    kept_here.append(place)
            kept += numbers[kept_here].tolist()
        return left_out


def _nearest_kept(block: np.ndarray, vectors: np.ndarray, kept: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The kept row with the largest cosine to each row of a block, and this cosine; −1 and 0 without kept rows."""
    import numpy as np

    best, share = np.full(len(block), -1, dtype=np.int64), np.zeros(len(block), dtype=np.float32)
    for start in range(0, len(kept), COMPARED_TOGETHER):
        members = np.array(kept[start : start + COMPARED_TOGETHER])
        cosines = block @ np.asarray(vectors[members]).T
        places = cosines.argmax(axis=1)
        found = cosines[np.arange(len(block)), places]
        is_better = found > share
        best[is_better], share[is_better] = members[places[is_better]], found[is_better]
    return best, share
