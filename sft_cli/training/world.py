"""The processes that train together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """One process of `size`, `rank` from 0."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def share(self, microbatches: Sequence[list[int]]) -> list[list[int]]:
        """This process's part of a step's micro-batches."""
        return list(microbatches[self.rank :: self.size])

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Each value summed over all processes."""
        return values
