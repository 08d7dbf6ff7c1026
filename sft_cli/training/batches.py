"""Which rows make an optimizer step, and how a step is cut into micro-batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of the rows that depends on (seed, epoch) alone, so that a position in it is one number."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def steps_of_epoch(rows: int, batch_size: int, seed: int, epoch: int) -> Iterator[list[int]]:
    """Row numbers of each optimizer step; every row exactly once, the last step may be smaller."""
    order = epoch_order(rows, seed, epoch)
    for start in range(0, rows, batch_size):
        yield [int(row) for row in order[start : start + batch_size]]


def cut(lengths: Sequence[int], microbatch_tokens: int) -> list[list[int]]:
    """Cut documents into micro-batches of at most `microbatch_tokens` tokens; a longer document stands alone.

    First-fit decreasing; the result is a list of positions in `lengths`. Every document is in exactly one.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        number = next((n for n, left in enumerate(room) if lengths[position] <= left), len(bins))
        if number == len(bins):
            bins.append([])
            room.append(microbatch_tokens)
        bins[number].append(position)
        room[number] -= lengths[position]
    return [sorted(members) for members in bins]
