"""By how well the model knows a row: its mean loss per target token."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, ranked

if TYPE_CHECKING:
    import numpy as np


def loss_high(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows with the highest loss: what the model knows worst, mislabelled rows among them."""
    return _by_loss(rows, budget, seed, measures, lambda losses: -losses)


def loss_low(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows with the lowest loss: what the model knows best."""
    return _by_loss(rows, budget, seed, measures, lambda losses: losses)


def loss_middle(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows around the median of the losses: neither known by heart nor odd."""
    return _by_loss(rows, budget, seed, measures, distance_from_median)


def _by_loss(
    rows: Iterable[Row], budget: Budget, seed: int, measures: Measures, key: Callable[[np.ndarray], np.ndarray]
) -> Selection:
    return ranked(rows, budget, seed, lambda task: key(measures.losses(task.rows)).argsort(kind="stable"))


def distance_from_median(losses: np.ndarray) -> np.ndarray:
    """How many ranks (N,) each loss is away from the middle one: what is kept is a band of as many above as below."""
    import numpy as np

    ranks = np.empty(len(losses))
    ranks[losses.argsort(kind="stable")] = np.arange(len(losses))
    return np.abs(ranks - (len(losses) - 1) / 2)
