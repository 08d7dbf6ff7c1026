"""Herding: rows whose mean is close to the mean of all rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, ranked

if TYPE_CHECKING:
    import numpy as np


def herding(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows whose mean embedding, after each chosen row, is nearest to the mean of the task (iCaRL)."""
    return ranked(rows, budget, seed, lambda task: herding_order(measures.embeddings(task.rows), task.most))


def herding_order(embeddings: np.ndarray, most: int) -> list[int]:
    """The first `most` rows in the order of herding, for embeddings (N, d) of length 1.

    p_k = argmin_x ‖μ − (x + Σ_{j<k} p_j)/k‖ over the rows not yet taken. With ‖x‖ = 1 this is the x with the largest
    x·(kμ − Σ_{j<k} p_j). Ties: the first row. Source: Welling 2009; Rebuffi et al. 2017 (iCaRL), Algorithm 4.
    """
    import numpy as np

    wide = embeddings.astype(np.float64)
    mean = wide.mean(axis=0)
    towards = np.zeros_like(mean)  # kμ − Σ p_j
    is_free = np.ones(len(wide), dtype=bool)
    order: list[int] = []
    for _ in range(most):
        towards += mean
        best = int(np.where(is_free, wide @ towards, -np.inf).argmax())
        towards -= wide[best]
        is_free[best] = False
        order.append(best)
    return order
