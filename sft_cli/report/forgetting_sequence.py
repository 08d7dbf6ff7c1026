"""A sequence of tasks, from the score files of its stages to its matrix and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sft_cli.report import forgetting_matrix as matrix
from sft_cli.report.comparison import Draws, Measure, sums_by_cluster
from sft_cli.report.forgetting_difference import difference, p_of_swapped_prompts, p_of_swapped_seeds
from sft_cli.report.score_files import PairKey, ScoreFile
from sft_cli.run.errors import UserError

Grid = list[list[ScoreFile]]  # [seed][stage]
Formula = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """What is to be measured. grid[seed][stage]: files, the base's first, those of a joint run after all stages.
    against: the same of another method, or empty.

    columns: the learned tasks in order, then those that were not trained. general_text, base_samples: tasks that are
    measured by their loss. keys: the rows of each that every file has.
    """

    learned: list[str]
    general_text: list[str]
    base_samples: list[str]
    columns: list[str]
    stages: int
    grid: Grid
    against: Grid
    keys: dict[str, list[PairKey]]
    measure: Measure

    @property
    def has_joint(self) -> bool:
        """Whether there are scores of a model that was trained on all tasks at once."""
        return len(self.grid[0]) > self.stages


@dataclass(frozen=True)
class Part:
    """Tasks that figures are made of together, and the formula of each figure by its name."""

    tasks: list[matrix.TaskSums]
    formulas: dict[str, Formula]


def parts_of(sequence: Sequence, grid: Grid) -> list[Part]:
    """The learned and the other tasks by the metric, and each text by its loss."""
    measure, keys, stages = sequence.measure, sequence.keys, sequence.stages
    sign = 1.0 if measure.higher_is_better else -1.0
    tasks = [matrix.TaskSums(name, sums_of(grid, keys[name], measure), measure.statistic) for name in sequence.columns]
    learned, general = range(len(sequence.learned)), range(len(sequence.learned), len(sequence.columns))
    formulas: dict[str, Formula] = {
        "average": lambda scores: matrix.average(scores[..., :stages, :], learned),
        "learning": lambda scores: matrix.learning(scores[..., :stages, :], learned),
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
    parts = [Part(tasks, formulas)]
    for name in (*sequence.general_text, *sequence.base_samples):
        task = matrix.TaskSums(name, nats_of(grid, keys[name]), lambda sums: sums[:, 0] / sums[:, 1])
        kind = "delta_nll" if name in sequence.general_text else "kl_to_base"
        parts.append(Part([task], {f"{kind}:{name}": lambda nll: nll[..., stages - 1, 0] - nll[..., 0, 0]}))
    return parts


def measured(sequence: Sequence, draws: Draws) -> dict[str, Any]:
    """The matrix and all figures, as they are written with --json."""
    grids = [sequence.grid, *([sequence.against] if sequence.against else [])]
    sides = [parts_of(sequence, grid) for grid in grids]
    found: dict[str, dict[str, Any]] = {}
    for same_part in zip(*sides, strict=True):
        found |= figures_of(same_part, draws, len(sequence.grid))
    matrices = [matrix.whole_scores(parts[0].tasks) for parts in sides]
    stages = sequence.stages
    return {
        "schema": 1,
        "metric": sequence.measure.value,
        "higher_is_better": sequence.measure.higher_is_better,
        "learned": sequence.learned,
        "tasks": sequence.columns,
        "rows": {name: len(each) for name, each in sequence.keys.items()},
        "seeds": len(sequence.grid),
        "matrix": matrices[0][:, :stages].mean(0).tolist(),
        "against": matrices[1][:, :stages].mean(0).tolist() if sequence.against else None,
        "joint": matrices[0][:, stages].mean(0).tolist() if sequence.has_joint else None,
        "figures": found,
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
    }


def figures_of(sides: tuple[Part, ...], draws: Draws, seeds: int) -> dict[str, dict[str, Any]]:
    """The figures of one part; of two, those of the first, each with its difference to the second."""
    first = sides[0]
    draws_of_seeds = matrix.seed_draws(draws.count, seeds, draws.seed)
    whole = [matrix.whole_scores(part.tasks) for part in sides]
    # The same seed and the same prompts: both sides are resampled alike.
    resampled = [matrix.resampled_scores(part.tasks, draws.count, draws.seed) for part in sides]
    figures = matrix.figures(first.formulas, whole[0], resampled[0], draws_of_seeds, draws.confidence)
    found = {name: dataclasses.asdict(each) for name, each in figures.items()}
    if len(sides) == 1:
        return found
    ours, theirs = ([formula(scores) for formula in first.formulas.values()] for scores in whole)
    if seeds > 1:
        p_values = p_of_swapped_seeds(ours, theirs, draws)
    else:
        p_values = p_of_swapped_prompts(first.tasks, sides[1].tasks, first.formulas, draws)
    for (name, formula), mine, other, p in zip(first.formulas.items(), ours, theirs, p_values, strict=True):
        gap = formula(resampled[0]) - formula(resampled[1])
        found[name] |= dataclasses.asdict(difference(mine, other, gap, draws_of_seeds, draws.confidence, p))
    return found


def sums_of(grid: Grid, keys: list[PairKey], measure: Any) -> Any:
    """(seeds, stages, clusters, sums) of a task's rows."""
    import numpy

    for files in grid:
        for file in files:
            for key in keys:
                if measure.key not in file.rows[key]["stats"]:
                    raise UserError(f"{file.path}: row {key[0]!r} ({file.rows[key]['task']}) has no {measure.key}")
    return numpy.array([[sums_by_cluster(file, keys, measure) for file in files] for files in grid])


def nats_of(grid: Grid, keys: list[PairKey]) -> Any:
    """(seeds, stages, rows, 2): negative log-probability and tokens, which the metric perplexity keeps."""
    import numpy

    def sums(file: ScoreFile, key: PairKey) -> list[float]:
        found = next(
            (sums for name, sums in file.rows[key]["stats"].items() if name.split(":")[0] == "perplexity"), None
        )
        if not found or "nats" not in found:
            raise UserError(
                f"{file.path}: row {key[0]!r} ({file.rows[key]['task']}) has no perplexity\n"
                "hint: sft generate --logprobs or --echo-logprobs, then sft score --metric perplexity"
            )
        return [found["nats"], found["tokens"]]

    return numpy.array([[[sums(file, key) for key in keys] for file in files] for files in grid])
