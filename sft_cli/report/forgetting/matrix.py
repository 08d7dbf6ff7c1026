"""What a model learns and forgets in a sequence of tasks, from R[stage, task]: the score on a task after a stage.

Stage 0 is the base, stage k the model that has learned the k-th task. All functions take R with any leading dimensions,
(…, K+1, J), where higher is better, and the indices of the learned tasks in order; they return (…,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.statistics import Statistic, approximate_randomization, resampled


def average(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over the learned tasks after the last stage (Chaudhry et al. 2018, A_T)."""
    return scores[..., -1, list(learned)].mean(-1)


def learning(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over tasks of the score right after the stage that taught it."""
    return _diagonal(scores, learned).mean(-1)


def learning_gain(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over tasks of R[j, j] − R[0, j]: what training added. A model that learned nothing has nothing to forget."""
    return (_diagonal(scores, learned) - scores[..., 0, list(learned)]).mean(-1)


def newest(scores: Any, learned: Sequence[int]) -> Any:
    """R[T, T]: the task that was learned last, after the last stage.

    It shows the cost of methods against forgetting.
    """
    return scores[..., -1, learned[-1]]


def backward_transfer(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over all tasks except the last of R[T, j] − R[j, j] (Lopez-Paz & Ranzato 2017, eq. 3)."""
    earlier = list(learned)[:-1]
    return (scores[..., -1, earlier] - _diagonal(scores, learned)[..., :-1]).mean(-1)


def forgetting(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over all tasks except the last of (max over stages l from j to T−1 of R[l, j]) − R[T, j].

    Source: Chaudhry et al. 2018, eq. 3.

    Stages before the stage of a task do not count, nor does the last stage. The number is negative for a task that
    improved.
    """
    lost = [
        scores[..., stage:-1, task].max(-1) - scores[..., -1, task] for stage, task in enumerate(learned[:-1], start=1)
    ]
    return sum(lost) / len(lost)


def below_base(scores: Any, tasks: Sequence[int]) -> Any:
    """Mean over tasks of R[0, j] − R[T, j]: what the base could do and the last model cannot."""
    return (scores[..., 0, list(tasks)] - scores[..., -1, list(tasks)]).mean(-1)


def forward_transfer(scores: Any, learned: Sequence[int]) -> Any:
    """Mean over all tasks except the first of R[j−1, j] − R[0, j] (Lopez-Paz & Ranzato 2017, eq. 4, b: the base)."""
    later = [scores[..., stage - 1, task] - scores[..., 0, task] for stage, task in enumerate(learned, start=1)][1:]
    return sum(later) / len(later)


def intransigence(scores: Any, joint: Any, learned: Sequence[int]) -> Any:
    """Mean over tasks of joint (…, J) − R[j, j]; joint: the scores of a model trained on all tasks together.

    Source: Chaudhry et al. 2018, eq. 4.
    """
    return (joint[..., list(learned)] - _diagonal(scores, learned)).mean(-1)


def _diagonal(scores: Any, learned: Sequence[int]) -> Any:
    return scores[..., list(range(1, len(learned) + 1)), list(learned)]


@dataclass(frozen=True)
class StageSums:
    """One task's rows: sums (seeds, stages, clusters, sums), the same prompts everywhere, and its statistic."""

    name: str
    sums: Any
    statistic: Statistic


def resampled_scores(tasks: Sequence[StageSums], draws: int, seed: int) -> Any:
    """R of `draws` resamples of each task's prompts, (draws, seeds, stages, tasks); all stages and seeds share them."""
    import numpy

    scores = []
    for place, task in enumerate(tasks):
        seeds, stages, clusters, width = task.sums.shape
        flat = task.sums.transpose(2, 0, 1, 3).reshape(clusters, -1)
        drawn = resampled(flat, draws, (seed, place)).reshape(-1, width)
        scores.append(task.statistic(drawn).reshape(draws, seeds, stages))
    return numpy.stack(scores, -1)


def whole_scores(tasks: Sequence[StageSums]) -> Any:
    """R of all rows, (seeds, stages, tasks)."""
    import numpy

    return numpy.stack(
        [
            task.statistic(task.sums.sum(2).reshape(-1, task.sums.shape[-1])).reshape(task.sums.shape[:2])
            for task in tasks
        ],
        -1,
    )


def seed_draws(draws: int, seeds: int, seed: int) -> Any:
    """The seeds of each draw, (draws, seeds)."""
    import numpy

    return numpy.random.default_rng((seed, 10**6)).integers(0, seeds, size=(draws, seeds))


def p_of_swapped_seeds(whole: Sequence[Any], other: Sequence[Any], draws: Draws) -> list[float]:
    """For each figure (seeds,): how often random swaps of the two runs of a seed produce a difference this large."""
    import numpy

    ours, theirs = (numpy.stack([*each, numpy.ones(len(each[0]))], -1) for each in (whole, other))
    p_values = approximate_randomization(
        theirs, ours, lambda sums: sums[:, :-1] / sums[:, -1:], draws.count, draws.seed
    )  # exact up to 13 seeds with 10,000 draws
    return list(p_values)


def p_of_swapped_prompts(
    tasks: Sequence[StageSums], others: Sequence[StageSums], formulas: Mapping[str, Callable[[Any], Any]], draws: Draws
) -> list[float]:
    """For each formula, with one seed: how often random swaps of prompts (in all stages) produce this difference.

    tasks, others: sums (1, stages, clusters, sums) of the same prompts. The prompts of all tasks are swapped.
    """
    import numpy

    shapes = [task.sums.shape[1:] for task in tasks]  # (stages, clusters, sums)
    ends = numpy.cumsum([0, *(stages * width for stages, _, width in shapes)])
    rows = numpy.cumsum([0, *(clusters for _, clusters, _ in shapes)])

    def laid_out(side: Sequence[StageSums]) -> Any:
        # The sums of each task are in separate parts of the array, so one draw swaps the prompts of all tasks.
        table = numpy.zeros((rows[-1], ends[-1]))
        for place, task in enumerate(side):
            flat = task.sums[0].transpose(1, 0, 2).reshape(rows[place + 1] - rows[place], -1)
            table[rows[place] : rows[place + 1], ends[place] : ends[place + 1]] = flat
        return table

    def statistic(totals: Any) -> Any:
        parts = []
        for place, (task, (stages, _, width)) in enumerate(zip(tasks, shapes, strict=True)):
            sums = totals[:, ends[place] : ends[place + 1]].reshape(-1, width)
            parts.append(task.statistic(sums).reshape(len(totals), stages))
        scores = numpy.stack(parts, -1)
        return numpy.stack([formula(scores) for formula in formulas.values()], -1)

    return list(approximate_randomization(laid_out(others), laid_out(tasks), statistic, draws.count, draws.seed))
