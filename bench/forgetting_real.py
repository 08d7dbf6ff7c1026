"""Sequences of real tasks: what each way of not forgetting keeps, stage by stage, and what it costs the newest task.

    python bench/forgetting_real.py --folder runs/forgetting --tuning-seeds 100 --seeds 0 1 2 \\
        --task news=news.train.jsonl:news.test.jsonl --task taste=taste.train.jsonl:taste.test.jsonl \\
        --runs naive@1e-5 naive@5e-5 naive@1e-4 replay@best ewc:0.1@best ewc:1@best

Rows are those of `sft prep`; tests are prompts with references. A run is METHOD[:KNOB]@RATE, the methods those of
bench/forgetting_methods.py; without a knob, every one that the method may be tuned over. The first task is learned
plainly, once for all runs at a rate; every later stage trains on one task from the model of the stage before. Then all
tasks are answered freely (greedy) and judged by exact match, and the loss of general text is measured.

With --tuning-seeds, `@best` is the rate at which naive training learns its tasks best there, and of a method's runs the
one is reported that keeps most there, of those whose newest task is within two points of naive training at that rate.
All rates of naive training are reported. What is there already is not done again: a bench that was stopped goes on, and
one that was given other tasks, rows or flags asks for another folder. Models that have learned the first task stay
there, for runs that are added later.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from encode import passages, write_rows
from forgetting_methods import METHODS, keeps_most
from forgetting_report import percent, plot, table_of_sequences
from forgetting_sequence import Run, Sequence, Task


class Bench:
    """Runs of one sequence on some workers."""

    def __init__(self, sequence: Sequence, pool: ProcessPoolExecutor) -> None:
        self.sequence, self.pool = sequence, pool
        self.failed: dict[Run, str] = {}
        self.tried: list[Run] = []

    def do(self, runs: list[Run], seeds: list[int]) -> None:
        """Do all that is not done, seed by seed; a run that fails is told, and others go on."""
        todo = [(run, seed) for seed in seeds for run in runs if not self.sequence.is_done(run, seed)]
        firsts = {(run.rate, seed): run for run, seed in todo if run.method != "multi-task"}
        for job in [self.pool.submit(self.sequence.first, run, seed) for (_, seed), run in firsts.items()]:
            job.result()
        jobs = {(run, seed): self.pool.submit(self.sequence.run, run, seed) for run, seed in todo}
        for (run, _), job in jobs.items():
            error = job.exception()
            if error is not None:
                self.failed[run] = str(error)
                print(f"{run}: {error}", file=sys.stderr, flush=True)

    def mean(self, run: Run, seeds: list[int], key: str) -> float:
        """A share over seeds: "newest", "average" or "learning"."""
        return statistics.fmean(self.sequence.shares(run, seed)[key] for seed in seeds)

    def tune(self, runs: list[Run], seeds: list[int]) -> list[Run]:
        """Naive training at its best rate, then at its others, and each method at the knob and rate that keep most."""
        naive = [run for run in runs if run.method == "naive"]
        self.do([run for run in runs if run.rate is not None], seeds)
        best = max((run for run in naive if run not in self.failed), key=lambda run: self.mean(run, seeds, "learning"))
        others = [run.at(best.rate) for run in runs if run.method != "naive"]
        self.do(others, seeds)
        self.tried = [best, *(run for run in [*naive, *others] if run != best)]
        chosen, newest = [best, *(run for run in naive if run != best)], self.mean(best, seeds, "newest")
        for method in dict.fromkeys(run.method for run in others):
            tried = [run for run in others if run.method == method and run not in self.failed]
            if tried:
                new, average = (lambda run, key=key: self.mean(run, seeds, key) for key in ("newest", "average"))
                chosen.append(keeps_most(tried, new, average, newest))
        return chosen

    def report(self, runs: list[Run], seeds: list[int]) -> str:
        """A table, all differences to the first run."""
        runs = [run for run in runs if run not in self.failed]
        found = {str(run): self.sequence.figures(run, runs[0], seeds) for run in runs if run.method != "multi-task"}
        lines = [table_of_sequences(found)]
        for run in runs:
            if run.method == "multi-task":
                shares = [self.sequence.shares(run, seed)["average"] for seed in seeds]
                lines.append(f"{run}: all tasks at once, average {percent(shares)}")
        return "\n".join(lines)

    def curves(self, runs: list[Run], seeds: list[int]) -> str:
        """The newest task against the mean of the others, as SVG: a line for each method, a point for each setting."""
        points: dict[str, list[tuple[float, float, float]]] = {}
        for run in runs:
            if run not in self.failed:
                assert run.rate is not None
                new, old = (self.mean(run, seeds, key) for key in ("newest", "old"))
                points.setdefault(run.method, []).append((run.rate if run.method == "naive" else run.knob, new, old))
        points = {method: sorted(each) for method, each in points.items()}
        return plot(points)


def main() -> None:
    """Tune, run what is not there yet, and print a table of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--task", type=Task.parse, action="append", required=True, metavar="NAME=TRAIN:TEST")
    parser.add_argument("--runs", nargs="+", required=True, metavar="METHOD[:KNOB]@RATE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tuning-seeds", type=int, nargs="*", default=[])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=150, help="test rows of each task")
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--fraction", type=float, default=0.05, help="of old rows that replay keeps")
    parser.add_argument("--train", default="--batch-size 16", help="flags of every training run")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="write learning-forgetting curves of all that is tuned there, as SVG")
    given = parser.parse_args()
    runs = list(dict.fromkeys(run for spec in given.runs for run in Run.parse(spec, METHODS)))
    if runs[0].method != "naive" or runs[0].rate is None:
        raise SystemExit("--runs: expected naive@RATE first, which others are compared with")
    if not given.tuning_seeds and any(run.rate is None for run in runs):
        raise SystemExit("--runs: @best needs --tuning-seeds, where it is found")
    given.folder.mkdir(parents=True, exist_ok=True)
    options = tuple(given.train.split())
    sequence = Sequence(given.model, tuple(given.task), given.folder, given.new_tokens, given.fraction, options)
    sequence.begin(given.rows)
    texts = [{"id": f"g{n}", "task": "general", "text": text} for n, text in enumerate(passages()[:80])]
    write_rows(given.folder / "general.jsonl", texts)
    # A process for each run: one that goes on keeps what it has had, 9 GB after six runs of SmolLM2-135M.
    spawned: dict[str, Any] = {"mp_context": get_context("spawn"), "max_tasks_per_child": 1}
    with ProcessPoolExecutor(given.workers, **spawned) as pool:
        bench = Bench(sequence, pool)
        pool.submit(sequence.score_base).result()
        if given.tuning_seeds:
            runs = bench.tune(runs, given.tuning_seeds)
            print(
                f"tuned on seeds {given.tuning_seeds}:\n{bench.report(bench.tried, given.tuning_seeds)}\n", flush=True
            )
        bench.do(runs, given.seeds)
    if given.plot:
        tried = (bench.tried, given.tuning_seeds) if given.tuning_seeds else (runs, given.seeds)
        given.plot.write_text(bench.curves(*tried), encoding="utf-8")
    print(bench.report(runs, given.seeds), flush=True)


if __name__ == "__main__":
    main()
