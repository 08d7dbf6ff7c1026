"""Rows nearest to the new task, which it is most likely to overwrite."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, Task, ranked
from sft_cli.run.jsonl import as_line

if TYPE_CHECKING:
    import numpy as np


def nearest(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows with the highest mean cosine between their embeddings and those of the new task (--nearest-to)."""

    @cache
    def towards() -> np.ndarray:
        # All embeddings have length 1, so the mean cosine to the new rows is the product with their mean.
        return measures.embeddings(sorted(measures.new_rows, key=as_line)).mean(axis=0, dtype="float64")

    def rank(task: Task) -> np.ndarray:
        return (-(measures.embeddings(task.rows) @ towards())).argsort(kind="stable")

    return ranked(rows, budget, seed, rank)
