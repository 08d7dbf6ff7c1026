"""Which rows make an optimizer step, and how a step is cut into micro-batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sft_cli.training.settings import TrainSettings


@dataclass(frozen=True)
class Step:
    """One optimizer step: its rows, its epoch, and whether it is the epoch's last."""

    epoch: int
    rows: list[int]
    ends_epoch: bool


class StepPlan:
    """All steps of a run: a pure function of the number of rows and the settings, so a position in it is one number."""

    def __init__(self, rows: int, settings: TrainSettings) -> None:
        self.rows, self.settings = rows, settings
        self.steps_per_epoch = math.ceil(rows / settings.batch_size)
        steps = settings.epochs * self.steps_per_epoch
        self.steps = min(steps, settings.max_steps) if settings.max_steps is not None else steps

    def __len__(self) -> int:
        return self.steps

    def after(self, done: int) -> Iterator[Step]:
        """The steps that are left when `done` are done."""
        for epoch in range(done // self.steps_per_epoch, self.settings.epochs):
            first = epoch * self.steps_per_epoch
            parts = steps_of_epoch(self.rows, self.settings.batch_size, self.settings.seed, epoch)
            for number, rows in enumerate(parts, first):
                if number >= self.steps:
                    return
                if number >= done:
                    yield Step(epoch, rows, number + 1 == first + self.steps_per_epoch)


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
