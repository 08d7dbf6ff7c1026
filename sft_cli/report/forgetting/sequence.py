"""A sequence of tasks, from the score files of its stages to its matrix and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.forgetting import matrix
from sft_cli.report.forgetting.matrix import p_of_swapped_prompts, p_of_swapped_seeds
from sft_cli.report.intervals import Interval, resampled_interval
from sft_cli.report.paired_rows import ComparedRows, MeasuredPairs, added, compare_rows, numbered
from sft_cli.report.pairs import Pairs
from sft_cli.report.statistics import holm
from sft_cli.run.errors import UserError

Grid = list[list[int]]  # [seed][stage]: the numbers of files
Formula = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """What is to be measured. grid[seed][stage]: the numbers of files in `pairs`, the base's first, those of a joint
    run after all stages. against: the same of each other method. methods: the names of all methods, this one first.

    tasks: the learned tasks in order, then those that were not trained. general_text, base_samples: tasks that are
    measured by their loss. rows: of each task the numbers of its pairs, which every file has.
    """

    learned: list[str]
    general_text: list[str]
    base_samples: list[str]
    tasks: list[str]
    stages: int
    grid: Grid
    against: list[Grid]
    methods: list[str]
    pairs: Pairs
    rows: dict[str, Any]
    measure: Measure

    @property
    def has_joint(self) -> bool:
        """Whether there are scores of a model that was trained on all tasks together."""
        return len(self.grid[0]) > self.stages


@dataclass(frozen=True)
class Part:
    """Tasks that are combined into figures, and the formula of each figure by its name.

    prompts: the number of prompts of the smallest task of each figure.
    """

    tasks: list[matrix.StageSums]
    formulas: dict[str, Formula]
    prompts: dict[str, int]


def parts_of(sequence: Sequence, grid: Grid) -> list[Part]:
    """The learned tasks and the others by the metric, and each text by its loss."""
    measure, stages = sequence.measure, sequence.stages
    sign = 1.0 if measure.higher_is_better else -1.0
    names = list(measure.sum_names)
    tasks = [
        matrix.StageSums(task, sums_of(sequence, grid, task, measure.key, names), measure.statistic)
        for task in sequence.tasks
    ]
    learned, general = range(len(sequence.learned)), range(len(sequence.learned), len(sequence.tasks))
    formulas: dict[str, Formula] = {
        "average": lambda scores: matrix.average(scores[..., :stages, :], learned),
        "learning": lambda scores: matrix.learning(scores[..., :stages, :], learned),
        "learning_gain": lambda scores: matrix.learning_gain(sign * scores[..., :stages, :], learned),
        "newest": lambda scores: matrix.newest(scores[..., :stages, :], learned),
        "forgetting": lambda scores: matrix.forgetting(sign * scores[..., :stages, :], learned),
        "backward_transfer": lambda scores: matrix.backward_transfer(sign * scores[..., :stages, :], learned),
        "below_base": lambda scores: matrix.below_base(sign * scores[..., :stages, :], learned[:-1]),
        "forward_transfer": lambda scores: matrix.forward_transfer(sign * scores[..., :stages, :], learned),
    }
    if sequence.has_joint:
        formulas["intransigence"] = lambda scores: matrix.intransigence(
            sign * scores[..., :stages, :], sign * scores[..., stages, :], learned
        )
    if general:
        formulas["general_change"] = lambda scores: -matrix.below_base(sign * scores[..., :stages, :], general)
    sizes = [task.sums.shape[2] for task in tasks]
    prompts = {name: min(sizes[: len(learned)]) for name in formulas}
    prompts |= {"newest": sizes[learned[-1]], **({"general_change": min(sizes[len(learned) :])} if general else {})}
    parts = [Part(tasks, formulas, prompts)]
    for name in (*sequence.general_text, *sequence.base_samples):
        sums = sums_of(sequence, grid, name, perplexity_of(sequence, name), ["nats", "tokens"])
        task = matrix.StageSums(name, sums, lambda sums: sums[:, 0] / sums[:, 1])
        kind = "delta_nll" if name in sequence.general_text else "kl_to_base"
        formula = {f"{kind}:{name}": lambda nll: nll[..., stages - 1, 0] - nll[..., 0, 0]}
        parts.append(Part([task], formula, dict.fromkeys(formula, sums.shape[2])))
    return parts


def measured(sequence: Sequence, draws: Draws) -> dict[str, Any]:
    """The matrix and all figures, as --json writes them."""
    grids = [sequence.grid, *sequence.against]
    sides = [parts_of(sequence, grid) for grid in grids]
    figures: dict[str, dict[str, Any]] = {}
    for same_part in zip(*sides, strict=True):
        figures |= figures_of(same_part, draws, len(sequence.grid))
    matrices = [matrix.whole_scores(parts[0].tasks) for parts in sides]
    stages = sequence.stages
    return {
        "schema": 1,
        "metric": sequence.measure.value,
        "higher_is_better": sequence.measure.higher_is_better,
        "learned": sequence.learned,
        "tasks": sequence.tasks,
        "rows": {name: len(each) for name, each in sequence.rows.items()},
        "seeds": len(sequence.grid),
        "matrix": matrices[0][:, :stages].mean(0).tolist(),
        "against": matrices[1][:, :stages].mean(0).tolist() if sequence.against else None,
        "methods": sequence.methods,
        "matrices": [each[:, :stages].mean(0).tolist() for each in matrices],
        "joint": matrices[0][:, stages].mean(0).tolist() if sequence.has_joint else None,
        "figures": figures,
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
    }


def figures_of(sides: tuple[Part, ...], draws: Draws, seeds: int) -> dict[str, dict[str, Any]]:
    """The figures of one part for the first method; each with its value and difference for every other method."""
    first = sides[0]
    draws_of_seeds = matrix.seed_draws(draws.count, seeds, draws.seed)
    whole = [matrix.whole_scores(part.tasks) for part in sides]
    # The same seed and the same prompts: all sides have the same resamples.
    resampled = [matrix.resampled_scores(part.tasks, draws.count, draws.seed) for part in sides]
    figures: dict[str, dict[str, Any]] = {}
    for name, formula in first.formulas.items():
        drawn = [picked(formula(scores), draws_of_seeds) for scores in resampled]
        values = [formula(scores) for scores in whole]
        own, *others = (resampled_interval(each, draws.confidence, first.prompts[name]) for each in drawn)
        figures[name] = {"value": float(values[0].mean()), **interval_document(own), "seeds": values[0].tolist()}
        figures[name]["methods"] = [
            {
                "value": float(other.mean()),
                **interval_document(interval),
                "difference": float((values[0] - other).mean()),
                **interval_document(
                    resampled_interval(drawn[0] - each, draws.confidence, first.prompts[name]), "difference_"
                ),
            }
            for other, interval, each in zip(values[1:], others, drawn[1:], strict=True)
        ]
    for place, part in enumerate(sides[1:]):
        ours, theirs = ([formula(whole[side]) for formula in first.formulas.values()] for side in (0, place + 1))
        if seeds > 1:
            p_values = p_of_swapped_seeds(ours, theirs, draws)
        else:
            p_values = p_of_swapped_prompts(first.tasks, part.tasks, first.formulas, draws)
        for figure, p in zip(figures.values(), p_values, strict=True):
            figure["methods"][place]["p"] = p
    for figure in figures.values() if len(sides) > 1 else ():
        for method, p in zip(figure["methods"], holm([each["p"] for each in figure["methods"]]), strict=True):
            method["p_holm"] = p
        only = figure["methods"][0]  # as --json wrote it when there could be only one other method
        names = ("difference", "difference_interval", "no_difference_interval", "p")
        figure |= {"against": only["value"], **{name: only[name] for name in names}}
    return figures


def picked(values: Any, draws_of_seeds: Any) -> Any:
    """The mean over the seeds of each draw, (draws,), of values (draws, seeds): rows within resampled seeds."""
    import numpy

    return numpy.take_along_axis(values, draws_of_seeds, axis=1).mean(1)


def interval_document(interval: Interval, prefix: str = "") -> dict[str, Any]:
    """An interval as --json writes it."""
    return {f"{prefix}interval": interval.bounds, f"no_{prefix}interval": interval.missing or None}


def sums_of(sequence: Sequence, grid: Grid, task: str, metric: str, names: list[str]) -> Any:
    """(seeds, stages, clusters, sums) of a task's rows."""
    import numpy

    chosen = sequence.rows[task]
    prompts = numbered(sequence.pairs.clusters[chosen])

    def sums(number: int) -> Any:
        file, rows = sequence.pairs.files[number], sequence.pairs.rows[number][chosen]
        has_not = ~file.has(metric)[rows]
        if has_not.any():
            raise UserError(f"{file.where(int(rows[has_not.argmax()]))}: the row ({task}) has no {metric}")
        return added(file.sums[metric].table(names, len(file.rows))[rows], prompts)

    kept = {number: sums(number) for number in {number for files in grid for number in files}}
    return numpy.array([[kept[number] for number in files] for files in grid])


def perplexity_of(sequence: Sequence, task: str) -> str:
    """The name of the perplexity metric that the first file has for a task of text."""
    base, rows = sequence.pairs.files[0], sequence.pairs.rows[0][sequence.rows[task]]
    for metric, columns in base.sums.items():
        if metric.partition(":")[0] == "perplexity" and "nats" in columns.names and base.has(metric)[rows].all():
            return metric
    raise UserError(
        f"{base.where(int(rows[0]))}: the row ({task}) has no perplexity\n"
        "hint: sft generate --logprobs or --echo-logprobs, then sft score --metric perplexity"
    )


def gated_comparisons(sequence: Sequence, draws: Draws) -> list[Comparison]:
    """Each task after the last stage, compared with the base and (except the task learned last) with the other method.

    The runs of all seeds count as samples of a prompt.
    """
    last = sequence.stages - 1
    sides = [([files[0] for files in sequence.grid], "the base", sequence.tasks)]
    old = [name for name in sequence.tasks if name != sequence.learned[-1]]
    for name, grid in zip(sequence.methods[1:], sequence.against, strict=True):
        label = "the other method" if len(sequence.against) == 1 else name
        sides.append(([files[last] for files in grid], label, old))
    each, after = MeasuredPairs.of(sequence.pairs, sequence.measure), [files[last] for files in sequence.grid]
    comparisons = []
    for before, label, tasks in sides:
        joined = join_seeds(each, (before, after))
        comparisons += [compare_task(sequence, task, joined, label, draws) for task in tasks]
    return comparisons


def join_seeds(each: MeasuredPairs, sides: tuple[list[int], list[int]]) -> MeasuredPairs:
    """The pairs of the files of two sides, seed after seed."""
    import numpy

    return MeasuredPairs(
        each.measure,
        [numpy.concatenate([each.sums[number] for number in side]) for side in sides],
        [numpy.concatenate([each.values[number] for number in side]) for side in sides],
        numpy.tile(each.is_scored, len(sides[0])),
    )


def compare_task(sequence: Sequence, task: str, joined: MeasuredPairs, label: str, draws: Draws) -> Comparison:
    """Compare the last stage with `label`, the first side, on one task."""
    import numpy

    pairs, seeds = sequence.pairs, len(sequence.grid)
    chosen = numpy.concatenate([sequence.rows[task] + seed * len(pairs) for seed in range(seeds)])
    prompts = numbered(numpy.tile(pairs.clusters, seeds)[chosen])
    return compare_rows(ComparedRows((label, "the last stage"), (0, 1), chosen, prompts, task), [joined], draws)[0]
