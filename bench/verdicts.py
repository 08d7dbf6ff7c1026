"""How often the intervals and verdicts of `sft compare` are right, on made-up scores of which the truth is known.

    make bench-verdicts BENCH='--runs 2000'

Coverage: the share of runs whose interval contains the true difference. False: runs without a difference that are
called better or worse. Too little: runs with a tenth of the rows that would exclude the margin (no true difference), or
that would detect the true difference, that are called too little data.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.paired_rows import ComparedRows, MeasuredPairs, adjust, compare_rows
from sft_cli.report.power import rows_to_detect, rows_to_exclude
from sft_cli.report.verdict import BETTER, TOO_LITTLE, WORSE, verdict_of

CONFIDENCE = 0.95
Scores = tuple[np.ndarray, np.ndarray, np.ndarray]  # of the base, of the other system, the prompt of each row


def shares(rows: int, gain: float, generator: np.random.Generator) -> Scores:
    """Right or wrong: both right 50 %, neither 30 %; the systems disagree on the rest."""
    both, base_only = 0.5, 0.1 - gain / 2
    draw = generator.random(rows)
    base = draw < both + base_only
    other = (draw < both) | ((draw >= both + base_only) & (draw < both + 0.2))
    return base.astype(float), other.astype(float), np.arange(rows)


def grades(rows: int, gain: float, generator: np.random.Generator) -> Scores:
    """Values from 0 to 1, such as ROUGE, with much in common."""
    level = generator.beta(2, 3, rows)
    base, other = (np.clip(level + generator.normal(0, 0.15, rows), 0, 1) for _ in range(2))
    return base, other + gain, np.arange(rows)


def samples(rows: int, gain: float, generator: np.random.Generator) -> Scores:
    """Four samples of each prompt, right or wrong: the samples of a prompt are alike."""
    prompts = max(rows // 4, 1)
    hard = generator.random(prompts)
    level = np.repeat(np.where(hard < 0.5, 0.15, 0.85), 4)
    side = np.repeat(generator.normal(0, 0.1, prompts), 4)
    base = generator.random(prompts * 4) < np.clip(level - side, 0, 1)
    other = generator.random(prompts * 4) < np.clip(level + side + gain, 0, 1)
    return base.astype(float), other.astype(float), np.repeat(np.arange(prompts), 4)


KINDS: dict[str, Callable[[int, float, np.random.Generator], Scores]] = {
    "right or wrong": shares,
    "values from 0 to 1": grades,
    "4 samples a prompt": samples,
}
MEAN = Measure(
    key="score",
    value="score",
    sum_names=["sum", "count"],
    statistic=lambda sums: sums[:, 0] / sums[:, 1],
    higher_is_better=True,
    largest=1.0,
)


def compared(scores: Scores, draws: Draws) -> Comparison:
    """The comparison of two made-up files."""
    base, other, prompts = scores
    sums = [np.column_stack([own, np.ones(len(own))]) for own in (base, other)]
    measured = MeasuredPairs(MEAN, sums, [base, other], np.ones(len(base), dtype=bool))
    rows = ComparedRows(("base", "other"), (0, 1), np.arange(len(base)), prompts, None)
    found = compare_rows(rows, [measured], draws)
    adjust(found)
    return found[0]


def line(name: str, rows: int, runs: int, draws: int) -> str:
    """One line of the table for one kind of scores."""
    make, generator = KINDS[name], np.random.default_rng(0)
    big = make(400_000, 0.05, generator)
    truth = float(big[1].mean() - big[0].mean())
    per_prompt = [np.bincount(big[2], own) / np.bincount(big[2]) for own in big[:2]]
    spread = float((per_prompt[1] - per_prompt[0]).std()) * np.sqrt(len(big[0]) / len(per_prompt[0]))
    covered = false = 0
    for run in range(runs):
        settings = Draws(count=draws, confidence=CONFIDENCE, seed=run)
        interval = compared(make(rows, 0.05, generator), settings).interval
        covered += interval is not None and interval[0] <= truth <= interval[1]
        false += verdict_of(compared(make(rows, 0.0, generator), settings)).word in (BETTER, WORSE)
    error = spread / np.sqrt(rows)
    few = {
        "margin": (0.0, (rows_to_exclude(0.02, error, rows, CONFIDENCE) or 0) // 10),
        "difference": (0.05, (rows_to_detect(truth, error, rows, CONFIDENCE) or 0) // 10),
    }
    parts = [f"{name}, {rows} rows: coverage {covered / runs:.3f}, false {false / runs:.3f}"]
    for what, (gain, size) in few.items():
        words = [
            verdict_of(compared(make(size, gain, generator), Draws(count=draws, confidence=CONFIDENCE, seed=run))).word
            for run in range(runs)
        ]
        parts.append(f"too little at a tenth for the {what} ({size} rows) {words.count(TOO_LITTLE) / runs:.3f}")
    return ", ".join(parts)


def main() -> None:
    """Print a line for each kind of scores and number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    for name in KINDS:
        for rows in (40, 200, 1000):
            print(line(name, rows, given.runs, given.draws), flush=True)


if __name__ == "__main__":
    main()
