"""Two sequences of the same tasks, seed by seed and row by row: how surely their figures differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.forgetting_matrix import TaskSums
from sft_cli.report.statistics import approximate_randomization


def p_of_swapped_seeds(whole: Sequence[Any], other: Sequence[Any], draws: Draws) -> list[float]:
    """For each figure (seeds,): how often swapping the two runs of a seed gives a difference this large."""
    import numpy

    ours, theirs = (numpy.stack([*each, numpy.ones(len(each[0]))], -1) for each in (whole, other))
    found = approximate_randomization(
        theirs, ours, lambda sums: sums[:, :-1] / sums[:, -1:], draws.count, draws.seed
    )  # exact up to 13 seeds with 10,000 draws
    return list(found)


def p_of_swapped_prompts(
    tasks: Sequence[TaskSums], others: Sequence[TaskSums], formulas: Mapping[str, Callable[[Any], Any]], draws: Draws
) -> list[float]:
    """For each formula, with one seed: how often swapping prompts, in all stages at once, gives such a difference.

    tasks, others: sums (1, stages, clusters, sums) of the same prompts. Swapped are the prompts of all tasks.
    """
    import numpy

    shapes = [task.sums.shape[1:] for task in tasks]  # (stages, clusters, sums)
    ends = numpy.cumsum([0, *(stages * width for stages, _, width in shapes)])
    rows = numpy.cumsum([0, *(clusters for _, clusters, _ in shapes)])

    def laid_out(side: Sequence[TaskSums]) -> Any:
        # Each task's prompts have their sums in columns of their own, so that one draw swaps all of them.
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
