"""Selection by the mean loss per target token of a row: how well the model knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row
from sft_cli.replay.budget import Budget, Selection
from sft_cli.replay.candidates import Measures, ranked

if TYPE_CHECKING:
    import numpy as np


def loss_high(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows with the highest loss: those that the model knows worst, also mislabelled rows."""
    return _by_loss(rows, budget, seed, measures, lambda losses: -losses)


def loss_low(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows with the lowest loss: those that the model knows best."""
    return _by_loss(rows, budget, seed, measures, lambda losses: losses)


def loss_middle(rows: Iterable[Row], budget: Budget, seed: int, measures: Measures) -> Selection:
    """Rows around the median of the losses: neither memorised nor unusual."""
    return _by_loss(rows, budget, seed, measures, distance_from_median)


def _by_loss(
    rows: Iterable[Row], budget: Budget, seed: int, measures: Measures, key: Callable[[np.ndarray], np.ndarray]
) -> Selection:
    return ranked(rows, budget, seed, lambda task: key(measures.losses(task.rows)).argsort(kind="stable"))


def distance_from_median(losses: np.ndarray) -> np.ndarray:
    """The distance (N,) in ranks of each loss from the middle: the kept rows are a band around the middle."""
    import numpy as np

    ranks = np.empty(len(losses))
    ranks[losses.argsort(kind="stable")] = np.arange(len(losses))
    return np.abs(ranks - (len(losses) - 1) / 2)
