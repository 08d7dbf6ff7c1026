"""A sequence of tasks, from the score files of its stages to its matrix and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sft_cli.report import forgetting_matrix as matrix
from sft_cli.report.comparison import Draws, Measure, sums_by_cluster
from sft_cli.report.score_files import PairKey, ScoreFile
from sft_cli.run.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """What is to be measured. grid[seed][stage]: files, the base's first, those of a joint run after all stages.

    columns: the learned tasks in order, then those that were not trained. general_text, base_samples: tasks that are
    measured by their loss. keys: the rows of each that every file has.
    """

    learned: list[str]
    general_text: list[str]
    base_samples: list[str]
    columns: list[str]
    stages: int
    grid: list[list[ScoreFile]]
    keys: dict[str, list[PairKey]]
    measure: Measure

    @property
    def has_joint(self) -> bool:
        """Whether there are scores of a model that was trained on all tasks at once."""
        return len(self.grid[0]) > self.stages


def measured(sequence: Sequence, draws: Draws) -> dict[str, Any]:
    """The matrix and all figures, as they are written with --json."""
    measure, columns, keys, stages = sequence.measure, sequence.columns, sequence.keys, sequence.stages
    sign = 1.0 if measure.higher_is_better else -1.0
    tasks = [matrix.TaskSums(name, sums_of(sequence.grid, keys[name], measure), measure.statistic) for name in columns]
    draws_of_seeds = matrix.seed_draws(draws.count, len(sequence.grid), draws.seed)
    whole, resampled = matrix.whole_scores(tasks), matrix.resampled_scores(tasks, draws.count, draws.seed)
    learned, general = range(len(sequence.learned)), range(len(sequence.learned), len(columns))
    formulas: dict[str, Callable[[Any], Any]] = {
        "average": lambda scores: matrix.average(scores[..., :stages, :], learned),
        "learning": lambda scores: matrix.learning(scores[..., :stages, :], learned),
        "forgetting": lambda scores: matrix.forgetting(sign * scores[..., :stages, :], learned),
        "backward_transfer": lambda scores: matrix.backward_transfer(sign * scores[..., :stages, :], learned),
        "forward_transfer": lambda scores: matrix.forward_transfer(sign * scores[..., :stages, :], learned),
    }
    if sequence.has_joint:
        formulas["intransigence"] = lambda scores: matrix.intransigence(
            sign * scores[..., :stages, :], sign * scores[..., stages, :], learned
        )
    if general:
        formulas["general_change"] = lambda scores: -matrix.below_base(sign * scores[..., :stages, :], general)
    found = matrix.figures(formulas, whole, resampled, draws_of_seeds, draws.confidence)
    for name in (*sequence.general_text, *sequence.base_samples):
        task = matrix.TaskSums(name, nats_of(sequence.grid, keys[name]), lambda sums: sums[:, 0] / sums[:, 1])
        kind = "delta_nll" if name in sequence.general_text else "kl_to_base"
        rise: dict[str, Callable[[Any], Any]] = {f"{kind}:{name}": lambda nll: nll[..., stages - 1, 0] - nll[..., 0, 0]}
        drawn = matrix.resampled_scores([task], draws.count, draws.seed)
        found |= matrix.figures(rise, matrix.whole_scores([task]), drawn, draws_of_seeds, draws.confidence)
    return {
        "schema": 1,
        "metric": measure.value,
        "higher_is_better": measure.higher_is_better,
        "learned": sequence.learned,
        "tasks": columns,
        "rows": {name: len(each) for name, each in keys.items()},
        "seeds": len(sequence.grid),
        "matrix": whole[:, :stages].mean(0).tolist(),
        "joint": whole[:, stages].mean(0).tolist() if sequence.has_joint else None,
        "figures": {name: dataclasses.asdict(each) for name, each in found.items()},
        "confidence": draws.confidence,
        "draws": draws.count,
        "seed": draws.seed,
    }


def sums_of(grid: list[list[ScoreFile]], keys: list[PairKey], measure: Any) -> Any:
    """(seeds, stages, clusters, sums) of a task's rows."""
    import numpy

    for files in grid:
        for file in files:
            for key in keys:
                if measure.key not in file.rows[key]["stats"]:
                    raise UserError(f"{file.path}: row {key[0]!r} ({file.rows[key]['task']}) has no {measure.key}")
    return numpy.array([[sums_by_cluster(file, keys, measure) for file in files] for files in grid])


def nats_of(grid: list[list[ScoreFile]], keys: list[PairKey]) -> Any:
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
