"""How an amount of rows or words is divided among sources. No source gives more than it has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def tempered(sizes: Sequence[float], temperature: float) -> list[float]:
    """Shares ∝ size^(1/T) of sources, as `sft train --mix-temperature`; the largest source has 1."""
    largest = max(sizes)  # first, so that a low temperature does not overflow
    return [max((size / largest) ** (1 / temperature), sys.float_info.min) if size else 0.0 for size in sizes]


def largest_amount(shares: Sequence[float], sizes: Sequence[float]) -> float:
    """The largest amount that the sources can give in exactly these shares."""
    total = sum(shares)
    return min(size / (share / total) for share, size in zip(shares, sizes, strict=True) if share)


def filled(shares: Sequence[float], sizes: Sequence[float], amount: float) -> np.ndarray:
    """What each source gives, float64 (sources,): its share, or all that it has; the others share what is missing.

    The sum is `amount`, or the sum of the sources that have a share, if that is less.
    """
    import numpy as np

    weights, room = np.array(shares, dtype=np.float64), np.array(sizes, dtype=np.float64)
    given = np.zeros(len(weights))
    is_open = weights > 0
    while is_open.any():
        wanted = np.where(is_open, weights / weights[is_open].sum() * (amount - given[~is_open].sum()), given)
        is_short = is_open & (wanted >= room)
        if not is_short.any():
            return wanted
        given[is_short] = room[is_short]
        is_open &= ~is_short
    return given


def whole(amounts: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Numbers of rows, int64, with the sum of the amounts, by largest remainders; none is above its size.

    A source with an amount above 0 gives at least one row if there are as many rows as such sources.
    """
    import numpy as np

    room = np.array(sizes, dtype=np.int64)
    total = round(float(amounts.sum()))
    counts = np.minimum(np.floor(amounts + 1e-9).astype(np.int64), room)
    remainders = np.argsort(-(amounts - counts), kind="stable")
    for place in [*remainders.tolist(), *np.argsort(-(room - counts), kind="stable").tolist()]:
        if counts.sum() < total and counts[place] < room[place] and amounts[place] > 0:
            counts[place] += 1
    wanted = (amounts > 0) & (room > 0)
    while total >= wanted.sum() and (counts[wanted] == 0).any():
        counts[np.argmax(counts)] -= 1
        counts[np.flatnonzero(wanted & (counts == 0))[0]] += 1
    return counts
