"""Encoded rows, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sft_cli.model.encode import Example


@dataclass
class Corpus:
    """Encoded rows in the order read: `corpus[i]` is an Example; `ids` and `tasks` name its row and its source.

    `difficulties` are what `--order curriculum` sorts by.
    """

    examples: list[Example] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    difficulties: list[float] = field(default_factory=list)

    def append(self, example: Example, row_id: str, task: str = "", difficulty: float = 0.0) -> None:
        """Add one encoded row."""
        self.examples.append(example)
        self.ids.append(row_id)
        self.tasks.append(task)
        self.difficulties.append(difficulty)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> Example:
        return self.examples[row]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row (n,), int64."""
        return np.array([len(example.ids) for example in self.examples], dtype=np.int64)

    @property
    def weight_sums(self) -> np.ndarray:
        """Σ of the target weights of each row (n,), float64."""
        return np.array([example.weights.sum(dtype=np.float64) for example in self.examples], dtype=np.float64)

    @property
    def target_counts(self) -> np.ndarray:
        """Target tokens of each row (n,), int64."""
        return np.array([example.target_count for example in self.examples], dtype=np.int64)

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return int(self.lengths.sum())

    @property
    def targets(self) -> int:
        """Target tokens of all rows."""
        return int(self.target_counts.sum())
