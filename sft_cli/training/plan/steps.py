"""The rows of each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise

import numpy as np

from sft_cli.run.named import check_names, parse_numbers
from sft_cli.run.text import counted
from sft_cli.training.plan.mixture import SOURCE_HINT, mixture_of
from sft_cli.training.plan.packing import check_conserved, microbatches, pack_file
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.tables import ORDERS

REPLAY = "replay"  # the source of all rows that `sft replay-build` has marked, of any task
STEPS_MEASURED = 1000  # steps whose micro-batches the plan counts


@dataclass(frozen=True)
class Step:
    """One optimizer step: its rows, its epoch, and whether it is the epoch's last."""

    epoch: int
    rows: list[int]
    ends_epoch: bool


def mixture_sources(corpus: Corpus, settings: TrainSettings) -> Sequence[str]:
    """The source of each row in a mixture: its task, or `replay` if it is replayed and --mix has a share for this."""
    named = {entry.rpartition("=")[0] for entry in settings.mix}
    if REPLAY not in named or REPLAY in corpus.task_names:
        return corpus.tasks
    return [REPLAY if is_replay else task for task, is_replay in zip(corpus.tasks, corpus.is_replay, strict=True)]


class StepPlan:
    """All steps of a run: a pure function of the rows and the settings, so a position in it is one number.

    Raises UserError if a mixture or a weight names a source that no row has.
    """

    def __init__(self, corpus: Corpus, settings: TrainSettings) -> None:
        self.corpus, self.settings = corpus, settings
        self.tasks = sorted(set(corpus.tasks))
        self.mixture = mixture_of(mixture_sources(corpus, settings), settings)
        self.task_weights = parse_numbers("--task-weight", settings.task_weight, may_be_zero=False)
        check_names("--task-weight", self.task_weights, self.tasks, SOURCE_HINT)
        self.rows = len(corpus) if self.mixture is None else self.mixture.rows
        self._packed: tuple[int, list[list[int]]] = (-1, [])  # the latest epoch and its bins
        self.steps_per_epoch = self._count_steps()
        epochs = settings.epochs or (1 if settings.max_steps is None else None)
        limits = [epochs * self.steps_per_epoch if epochs else None, settings.max_steps]
        self.steps = min(limit for limit in limits if limit is not None)

    def __len__(self) -> int:
        return self.steps

    def after(self, done: int) -> Iterator[Step]:
        """The steps after the first `done` steps."""
        for epoch in range(done // self.steps_per_epoch, -(-self.steps // self.steps_per_epoch)):
            first = epoch * self.steps_per_epoch
            for number, rows in enumerate(self.steps_of(epoch), first):
                if number >= self.steps:
                    return
                if number >= done:
                    yield Step(epoch, rows, number + 1 == first + self.steps_per_epoch)

    def steps_of(self, epoch: int) -> list[list[int]]:
        """The rows of every step of an epoch, each row once, or as often as the mixture draws it."""
        order, size = self._order(epoch), self.settings.rows_per_step
        if size is None:
            steps = self._steps_by_tokens(order, epoch)
        elif self.mixture is not None:
            steps = self.mixture.steps(epoch, size)
        else:
            steps = [order[start : start + size] for start in range(0, len(order), size)]
        check_conserved(steps, order, self._lengths)
        return steps

    def _order(self, epoch: int) -> list[int]:
        if self.mixture is not None:
            return self.mixture.sequence(epoch)
        order: np.ndarray = ORDERS.load(self.settings.order)(self.corpus, self.settings.seed, epoch)
        return order.tolist()

    def _count_steps(self) -> int:
        """Steps of every epoch. With tokens: as many as the first epoch needs, or as a mixture needs on average."""
        rows_per_step, tokens = self.settings.rows_per_step, self.settings.batch_tokens or 1
        if rows_per_step is not None:
            return -(-self.rows // rows_per_step)
        if self.mixture is None:
            return max(1, -(-sum(self._occupied(self._bins(self._order(0), 0))) // tokens))
        taken = np.minimum(self._lengths, tokens)
        means = [float(taken[members].mean()) for members in self.mixture.members]
        return max(1, math.ceil(float(self.mixture.counts @ np.array(means)) / tokens))

    def _steps_by_tokens(self, order: list[int], epoch: int) -> list[list[int]]:
        """Groups of adjacent bins of about equal size, one for each step."""
        bins = self._bins(order, epoch)
        if len(bins) < self.steps_per_epoch:  # this epoch packs better than the first
            bins = [list(members) for members in bins]
            while len(bins) < self.steps_per_epoch:
                bins.append([max(bins, key=len).pop()])
        edges = even_edges(self._occupied(bins), self.steps_per_epoch)
        return [[row for members in bins[a:b] for row in members] for a, b in pairwise(edges)]

    def _bins(self, order: list[int], epoch: int) -> list[list[int]]:
        """The rows of an epoch in bins: all packed together if shuffled; one row per bin if order or shares matter."""
        if not self._packs:
            return [[row] for row in order]
        if self._packed[0] != epoch:
            seeds = (self.settings.seed, epoch, 1)
            self._packed = epoch, pack_file(self._lengths.tolist(), self._capacity, order, seeds)
        return self._packed[1]

    def _occupied(self, bins: list[list[int]]) -> list[int]:
        """The tokens of a step that a bin uses: its whole capacity. A document longer than a step fills a step."""
        lengths, tokens = self._lengths.tolist(), self.settings.batch_tokens or 1
        least = self._capacity if self._packs else 0
        return [max(least, min(tokens, sum(lengths[row] for row in members))) for members in bins]

    @property
    def _packs(self) -> bool:
        return self.mixture is None and self.settings.order == "shuffled"

    @property
    def _capacity(self) -> int:
        return min(self.settings.microbatch_tokens, self.settings.batch_tokens or 1)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return self.corpus.lengths

    @property
    def size(self) -> str:
        """The size of a step, as text."""
        rows, tokens = self.settings.rows_per_step, self.settings.batch_tokens
        return f"about {counted(tokens or 0, 'token')}" if rows is None else f"up to {counted(rows, 'row')}"

    @property
    def length(self) -> str:
        """The length of the run, as text: `20 of up to 8 rows, 1.6 epochs`; if two flags set it, which one applies."""
        passes = self.steps / self.steps_per_epoch
        shown = counted(round(passes), "epoch") if passes == round(passes) else f"{passes:.2g} epochs"
        length = f"{self.steps} of {self.size}, {shown}"
        if self.settings.epochs is None or self.settings.max_steps is None:
            return length
        whole = self.settings.epochs * self.steps_per_epoch
        if whole < self.settings.max_steps:
            return f"{length} (--epochs {self.settings.epochs}, which is fewer than --max-steps)"
        return f"{length} (--max-steps; --epochs {self.settings.epochs} would be {whole})"

    def lines(self) -> list[str]:
        """The content of the steps, as text: how full micro-batches are, sources and their shares, weights of tasks."""
        capacity = self.settings.microbatch_tokens
        steps = [step.rows for step in islice(self.after(0), STEPS_MEASURED)]
        lengths = [self._lengths[rows].tolist() for rows in steps]
        sizes = [[sum(each[i] for i in members) for members in microbatches(each, capacity)] for each in lengths]
        tokens = [sum(each) for each in lengths]
        count = sum(len(each) for each in sizes)
        used = sum(tokens) / sum(max(size, capacity) for each in sizes for size in each)
        of = f" (of the first {counted(len(steps), 'step')})" if len(steps) < len(self) else ""
        lines = [
            f"packing{of}: {min(tokens):,} to {max(tokens):,} tokens per step, in {count / len(steps):.1f} "
            f"micro-batches of at most {capacity:,}, which are {used:.1%} full",
        ]
        if self.mixture is not None:
            lines += self.mixture.lines()
        if self.task_weights:
            weights = ", ".join(f"{name} {self.task_weights.get(name, 1):g}" for name in self.tasks)
            lines.append(f"task weights: {weights}; loss of a step: Σ weight·(mean loss of the task) / Σ weight")
        return lines


def even_edges(sizes: Sequence[int], parts: int) -> list[int]:
    """Edges (parts + 1) that cut a sequence of sizes into `parts` runs of about equal sums, without an empty run."""
    ends = np.cumsum(sizes, dtype=np.float64)
    middles = ends - np.array(sizes) / 2
    edges = np.searchsorted(middles, ends[-1] / parts * np.arange(1, parts))
    numbers = np.arange(1, parts)
    edges = np.maximum.accumulate(np.maximum(edges, numbers) - numbers) + numbers
    edges = np.minimum(edges, len(sizes) - parts + numbers)
    return [0, *edges.tolist(), len(sizes)]
