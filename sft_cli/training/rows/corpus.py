"""Encoded rows, ready for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sft_cli.encoding.encoder import Example
from sft_cli.training.rows.storage import HAS_STOP, IS_REPLAY, IS_TEXT, RowArrays, RowWriter


class Corpus:
    """Encoded rows in the order read: `corpus[i]` is an Example; `ids` and `tasks` ("" for none) name its row.

    The facts about each row are arrays (n,): `lengths` and `target_counts` (tokens, int64), `weight_sums` (Σ of target
    weights, float64), `seam_merges`, `has_stop`, `is_text`, `is_replay`, `task_numbers` (positions in `task_names`),
    `difficulties` (by which `--order curriculum` sorts). Tokens can be in mapped files, so a corpus of a million rows
    needs little memory.
    """

    def __init__(
        self,
        examples: Sequence[Example] = (),
        ids: Sequence[str] = (),
        tasks: Sequence[str] = (),
        difficulties: Sequence[float] = (),
        replays: Sequence[bool] = (),
    ) -> None:
        writer = RowWriter()
        writer.append(examples, ids, tasks, difficulties, replays)
        self._take(writer.columns(), writer.task_names, writer.highest_id)

    @classmethod
    def of(cls, columns: RowArrays, task_names: list[str], highest_id: int) -> Corpus:
        """The corpus of the arrays from a ColumnWriter."""
        corpus = cls.__new__(cls)
        corpus._take(columns, task_names, highest_id)
        return corpus

    def _take(self, columns: RowArrays, task_names: list[str], highest_id: int) -> None:
        self.task_names = task_names
        self.highest_id = highest_id  # of all tokens
        self.lengths = columns["lengths"].astype(np.int64)
        self.target_counts = columns["target_counts"].astype(np.int64)
        self.weight_sums = columns["weight_sums"]
        self.seam_merges = columns["seam_merges"]
        self.has_stop = (columns["flags"] & HAS_STOP) > 0
        self.is_text = (columns["flags"] & IS_TEXT) > 0
        self.is_replay = (columns["flags"] & IS_REPLAY) > 0
        self.task_numbers = columns["task_numbers"]
        self.difficulties = columns["difficulties"]
        self.ids: Sequence[str] = Strings(columns["id_bytes"], columns["id_lengths"])
        self.tasks: Sequence[str] = Names(task_names, self.task_numbers)
        self.system_texts: dict[str, Any] = {}  # SystemTexts.facts
        self.note = ""  # a line of the plan about its source
        self.warnings: list[str] = []  # facts about some rows that the user may not expect
        self._tokens = columns["ids"]
        self._run_tokens, self._run_weights = columns["run_tokens"], columns["run_weights"]
        self._ends, self._run_ends = _edges(self.lengths), _edges(columns["runs"])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> Example:
        row = range(len(self.lengths))[row]
        runs = slice(self._run_ends[row], self._run_ends[row + 1])
        return Example(
            self._tokens[self._ends[row] : self._ends[row + 1]],
            np.repeat(self._run_weights[runs], self._run_tokens[runs]),
            bool(self.has_stop[row]),
            int(self.seam_merges[row]),
            bool(self.is_text[row]),
        )

    @property
    def examples(self) -> list[Example]:
        """All rows as a list, for a small corpus."""
        return [self[row] for row in range(len(self))]

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return int(self.lengths.sum())

    @property
    def targets(self) -> int:
        """Target tokens of all rows."""
        return int(self.target_counts.sum())


class Strings(Sequence[str]):
    """Many strings in one array of bytes."""

    def __init__(self, text: np.ndarray, lengths: np.ndarray) -> None:
        self.text, self.ends = text, _edges(lengths)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        index = range(len(self))[index]
        return self.text[self.ends[index] : self.ends[index + 1]].tobytes().decode("utf-8", "surrogatepass")


class Names(Sequence[str]):
    """Strings with few different values, by their numbers."""

    def __init__(self, names: list[str], numbers: np.ndarray) -> None:
        self.names, self.numbers = names, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return self.names[self.numbers[index]]

    def __iter__(self) -> Iterator[str]:
        return map(self.names.__getitem__, self.numbers.tolist())


def _edges(lengths: np.ndarray) -> np.ndarray:
    """The beginnings of pieces that are stored end to end, and the end of the last: (n + 1,) int64."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
