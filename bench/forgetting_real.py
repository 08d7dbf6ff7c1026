"""Sequences of real tasks: what each way of not forgetting keeps, stage by stage, and what it costs the newest task.

    python bench/forgetting_real.py --task news=news.train.jsonl:news.test.jsonl --task taste=… \
        --runs naive@5e-5 replay:0.05@5e-5 ewc:1@5e-5 --seeds 0 1 2 --folder runs/forgetting

Rows are those of `sft prep`, each with its task; tests are prompts with references. A run is METHOD[:KNOB]@RATE, the
methods those of bench/forgetting_methods.py. Every stage trains on one task from the model of the stage before; then
all tasks are answered freely (greedy) and judged by exact match, and the loss of general text is measured. What is
there already is not done again, so a bench that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encode import passages, write_rows
from forgetting_methods import METHODS, Step
from forgetting_report import percent
from in_process import sft


@dataclass(frozen=True)
class Task:
    """A task's name and its rows."""

    name: str
    train: Path
    test: Path

    @classmethod
    def parse(cls, text: str) -> Task:
        """`NAME=TRAIN:TEST`."""
        name, _, paths = text.partition("=")
        train, _, test = paths.partition(":")
        return cls(name, Path(train), Path(test))


@dataclass(frozen=True)
class Sequence:
    """Tasks in order, on one model; `options` are flags of every training run."""

    model: str
    tasks: list[Task]
    folder: Path
    rows: int
    new_tokens: int
    fraction: float
    options: tuple[Any, ...]

    def run(self, spec: str, seed: int) -> None:
        """All stages of a run."""
        name, knob, rate = parse_run(spec)
        method, folder = METHODS[name], self.folder / spec.replace(":", "-") / f"seed{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        model: str | Path = self.model
        stages = [self.tasks] if name == "multi-task" else [[task] for task in self.tasks]
        for stage, learned in enumerate(stages, 1):
            out = folder / f"stage{stage}"
            if not self._is_scored(folder, stage):
                if not (out / "manifest.json").exists():
                    old = [] if name == "multi-task" else self.tasks[: stage - 1]
                    self._train(Path(model), learned, old, (name, knob, rate), seed, out)
                self.score(out, folder, stage, learned, keeps_base=method.keeps_base)
            if isinstance(model, Path) and not method.keeps_base:
                shutil.rmtree(model, ignore_errors=True)
            model = out
        shutil.rmtree(model, ignore_errors=True)

    def _train(
        self, model: Path, learned: list[Task], old: list[Task], how: tuple[str, float, float], seed: int, out: Path
    ) -> None:
        name, knob, rate = how
        method, buffer, folder = METHODS[name], out.parent / "buffer.jsonl", out.parent
        if old:
            files = [task.train for task in old]
            options = ("--fraction", self.fraction, "--seed", seed, "--force", "-q")
            sft("replay-build", *files, *options, "-o", buffer)
        new = [task.train for task in learned]
        step = Step(model, new[0], buffer, buffer, rate, tuple(task.name for task in old), learned[0].name)
        plain = name in ("multi-task", "lora", "osf", "freeze-bottom", "interpolate", "progressive", "l2-sp", "naive")
        flags: list[Any] = method.flags(step, knob) if old or plain else ["--learning-rate", rate]
        data = method.data(step) if old else new
        if method.record and learned[0] != self.tasks[-1]:
            flags = [*flags, "--record-importance", method.record]
        merges = name in ("lora", "osf")
        made = out.with_name(out.name + "-trained") if method.after or merges else out
        shutil.rmtree(made, ignore_errors=True)
        sft("train", *data, "--model", model, *flags, *self.options, "--seed", seed, "-o", made, "-q")
        if method.after or merges:
            sft("export", made, *(method.after(step, knob) if method.after else ()), "-o", out, "--force", "-q")
            shutil.rmtree(made)
        print(f"{folder.parent.name} seed {seed}: {out.name} is trained", file=sys.stderr, flush=True)

    def _is_scored(self, folder: Path, stage: int) -> bool:
        return all((folder / f"stage{stage}.{kind}.scores.jsonl").exists() for kind in ("tasks", "general"))

    def score(self, model: str | Path, folder: Path, stage: int, learned: list[Task], keeps_base: bool = False) -> None:
        """Write stageN.tasks.scores.jsonl and stageN.general.scores.jsonl."""
        limits = ("--max-new-tokens", self.new_tokens, "--temperature", 0, "--generation-config", "none")
        answers = folder / f"stage{stage}.tasks.jsonl"
        lines = []
        for task in self.tasks:
            known = folder / f"column.{task.name}"
            if keeps_base and task in learned:
                known.touch()
            column = ("--column", task.name if known.exists() else "base") if keeps_base else ()
            part = folder / "part.jsonl"
            sft("generate", model, task.test, "-n", self.rows, *limits, *column, "-o", part, "--force", "-q")
            lines += part.read_text(encoding="utf-8").splitlines(keepends=True)
        answers.write_text("".join(lines), encoding="utf-8")
        scored = folder / f"stage{stage}.tasks.scores.jsonl"
        sft("score", answers, "--metric", "exact-match", "-o", scored, "--force", "-q")
        column = ("--column", "base") if keeps_base else ()
        general = folder / f"stage{stage}.general.jsonl"
        text = self.folder / "general.jsonl"
        options = ("--echo-logprobs", "--max-new-tokens", 0, "--generation-config", "none", *column)
        sft("generate", model, text, *options, "-o", general, "--force", "-q")
        scored = folder / f"stage{stage}.general.scores.jsonl"
        sft("score", general, "--metric", "perplexity:of=text", "-o", scored, "--force", "-q")

    def matrix(self, folder: Path, stages: int) -> list[dict[str, float]]:
        """The share of exact answers by task, and `nll` of general text, for the base and each stage."""
        base = self.folder / "base"
        places = [(base, 0), *((folder, stage) for stage in range(1, stages + 1))]
        return [read_stage(place, stage) for place, stage in places]


def read_stage(folder: Path, stage: int) -> dict[str, float]:
    """What a stage has scored."""
    shares: dict[str, list[float]] = {}
    for line in (folder / f"stage{stage}.tasks.scores.jsonl").read_text().splitlines():
        row = json.loads(line)
        shares.setdefault(row["task"], []).append(next(iter(row["metrics"].values())))
    found = {task: statistics.fmean(values) for task, values in shares.items()}
    nats = tokens = 0.0
    for line in (folder / f"stage{stage}.general.jsonl").read_text().splitlines():
        entry = json.loads(line)["text_logprobs"]
        nats, tokens = nats - entry["sum"], tokens + entry["tokens"]
    return {**found, "nll": nats / tokens}


def parse_run(spec: str) -> tuple[str, float, float]:
    """METHOD[:KNOB]@RATE."""
    found = re.fullmatch(r"([\w+-]+?)(?::([\d.e-]+))?@([\d.e-]+)", spec)
    if found is None or found[1] not in METHODS:
        raise SystemExit(f"--runs: expected METHOD[:KNOB]@RATE, a method of {', '.join(METHODS)}; got {spec!r}")
    knob = float(found[2]) if found[2] else METHODS[found[1]].grid[0]
    return found[1], knob, float(found[3])


def summary(matrix: list[dict[str, float]], tasks: list[str]) -> dict[str, float]:
    """Final average, forgetting of earlier tasks (best so far less now), learning, general text."""
    learned = [matrix[place][task] for place, task in enumerate(tasks, 1)]
    forgotten = [
        max(matrix[stage][task] for stage in range(place, len(tasks))) - matrix[-1][task]
        for place, task in enumerate(tasks[:-1], 1)
    ]
    return {
        "average": statistics.fmean(matrix[-1][task] for task in tasks),
        "forgetting": statistics.fmean(forgotten),
        "learning": statistics.fmean(learned),
        "newest": learned[-1],
        "general": matrix[-1]["nll"] - matrix[0]["nll"],
    }


def main() -> None:
    """Run what is not there yet, and print a table of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--task", type=Task.parse, action="append", required=True, metavar="NAME=TRAIN:TEST")
    parser.add_argument("--runs", nargs="+", required=True, metavar="METHOD[:KNOB]@RATE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=150, help="test rows of each task")
    parser.add_argument("--new-tokens", type=int, default=8)
    parser.add_argument("--fraction", type=float, default=0.05, help="of old rows that replay keeps")
    parser.add_argument("--train", default="--batch-size 16", help="flags of every training run")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    options = tuple(given.train.split())
    sequence = Sequence(given.model, given.task, given.folder, given.rows, given.new_tokens, given.fraction, options)
    texts = [{"id": f"g{n}", "text": text} for n, text in enumerate(passages()[:80])]
    write_rows(given.folder / "general.jsonl", texts)
    base = given.folder / "base"
    base.mkdir(exist_ok=True)
    if not (base / "stage0.general.scores.jsonl").exists():
        sequence.score(given.model, base, 0, [])
    names = [task.name for task in given.task]
    print("| run | seeds | average, % | forgetting, points | learning, % | newest, % | general text, nats |")
    print("|---|---|---|---|---|---|---|")
    for spec in given.runs:
        for seed in given.seeds:
            sequence.run(spec, seed)
        folders = [given.folder / spec.replace(":", "-") / f"seed{seed}" for seed in given.seeds]
        if parse_run(spec)[0] == "multi-task":
            last = [sequence.matrix(folder, 1)[-1] for folder in folders]
            average = [statistics.fmean(each[name] for name in names) for each in last]
            print(f"| {spec} | {len(folders)} | {percent(average)} | | | | |", flush=True)
            continue
        found = [summary(sequence.matrix(folder, len(names)), names) for folder in folders]
        cells = [percent([each[key] for each in found]) for key in ("average", "forgetting", "learning", "newest")]
        general = statistics.fmean(each["general"] for each in found)
        print(f"| {spec} | {len(folders)} | {' | '.join(cells)} | {general:+.3f} |", flush=True)


if __name__ == "__main__":
    main()
