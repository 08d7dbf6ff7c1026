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
            if not (folder / f"stage{stage}.scores.jsonl").exists():
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
        step = Step(model, new[0], buffer, buffer, rate, learned[0].name)
        flags = method.flags(step, knob) if old or not method.needs_old else ["--learning-rate", rate]
        data = method.data(step) if old else new
        if method.record and learned[0] != self.tasks[-1]:
            flags = [*flags, "--record-importance", method.record]
        is_exported = method.merges or method.after is not None
        made = out.with_name(out.name + "-trained") if is_exported else out
        shutil.rmtree(made, ignore_errors=True)
        sft("train", *data, "--model", model, *flags, *self.options, "--seed", seed, "-o", made, "-q")
        if is_exported:
            sft("export", made, *(method.after(step, knob) if method.after else ()), "-o", out, "--force", "-q")
            shutil.rmtree(made)
        print(f"{folder.parent.name} seed {seed}: {out.name} is trained", file=sys.stderr, flush=True)

    def score(self, model: str | Path, folder: Path, stage: int, learned: list[Task], keeps_base: bool = False) -> None:
        """Write stageN.scores.jsonl: exact matches of all tasks, and the loss of general text."""
        limits = ("--max-new-tokens", self.new_tokens, "--temperature", 0, "--generation-config", "none")
        part, scores, found = folder / "part.jsonl", folder / "part.scores.jsonl", []
        for task in self.tasks:
            known = folder / f"column.{task.name}"
            if keeps_base and task in learned:
                known.touch()
            column = ("--column", task.name if known.exists() else "base") if keeps_base else ()
            sft("generate", model, task.test, "-n", self.rows, *limits, *column, "-o", part, "--force", "-q")
            sft("score", part, "--metric", "exact-match", "-o", scores, "--force", "-q")
            found.append(scores.read_text(encoding="utf-8"))
        column = ("--column", "base") if keeps_base else ()
        options = ("--echo-logprobs", "--max-new-tokens", 0, "--generation-config", "none", *column)
        sft("generate", model, self.folder / "general.jsonl", *options, "-o", part, "--force", "-q")
        sft("score", part, "--metric", "perplexity:of=text", "-o", scores, "--force", "-q")
        found.append(scores.read_text(encoding="utf-8"))
        target = folder / f"stage{stage}.scores.jsonl"
        target.with_suffix(".tmp").write_text("".join(found), encoding="utf-8")
        target.with_suffix(".tmp").replace(target)

    def files(self, spec: str, seeds: list[int], stages: int) -> list[str]:
        """The score files of each stage, those of its seeds joined by commas."""
        folders = [self.folder / spec.replace(":", "-") / f"seed{seed}" for seed in seeds]
        return [
            ",".join(str(folder / f"stage{stage}.scores.jsonl") for folder in folders) for stage in range(1, stages + 1)
        ]

    def joint(self, spec: str, seeds: list[int]) -> str:
        """The average of all tasks of a model that learned them together."""
        shares = []
        for path in self.files(spec, seeds, 1)[0].split(","):
            rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
            by_task = [
                [row["metrics"]["exact_match"] for row in rows if row["task"] == task.name] for task in self.tasks
            ]
            shares.append(statistics.fmean(statistics.fmean(values) for values in by_task))
        return percent(shares)

    def figures(self, spec: str, reference: str | None, seeds: list[int]) -> dict[str, Any]:
        """What `sft compare --forgetting` says of a run, and of its differences to a reference run."""
        stages = len(self.tasks)
        against = self.files(reference, seeds, stages) if reference else []
        return dict(
            json.loads(
                sft(
                    *("compare", "--forgetting", self.folder / "base" / "stage0.scores.jsonl"),
                    *self.files(spec, seeds, stages),
                    *(word for task in self.tasks for word in ("--learned", task.name)),
                    *(word for path in against for word in ("--against", path)),
                    *("--general-text", "general", "--json", "-q"),
                )
            )
        )


def parse_run(spec: str) -> tuple[str, float, float]:
    """METHOD[:KNOB]@RATE."""
    found = re.fullmatch(r"([\w+-]+?)(?::([\d.e-]+))?@([\d.e-]+)", spec)
    if found is None or found[1] not in METHODS:
        raise SystemExit(f"--runs: expected METHOD[:KNOB]@RATE, a method of {', '.join(METHODS)}; got {spec!r}")
    knob = float(found[2]) if found[2] else METHODS[found[1]].grid[0]
    return found[1], knob, float(found[3])


def line_of(spec: str, found: dict[str, Any]) -> str:
    """A line of the table: figures in percent with intervals, and the difference in forgetting to the reference."""
    cells = []
    for name in ("average", "forgetting", "learning"):
        each = found["figures"][name]
        low, high = each["interval"]
        cells.append(f"{100 * each['value']:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    newest = found["matrix"][-1][len(found["learned"]) - 1]
    each = found["figures"]["forgetting"]
    less = ""
    if "difference" in each:
        low, high = each["difference_interval"]
        less = f"{100 * each['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}], p {each['p']:.4f}"
    text = found["figures"]["delta_nll:general"]
    low, high = text["interval"]
    cells += [f"{100 * newest:.1f}", less, f"{text['value']:+.3f} [{low:+.3f}, {high:+.3f}]"]
    return f"| {spec} | {' | '.join(cells)} |"


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
    texts = [{"id": f"g{n}", "task": "general", "text": text} for n, text in enumerate(passages()[:80])]
    write_rows(given.folder / "general.jsonl", texts)
    base = given.folder / "base"
    base.mkdir(exist_ok=True)
    if not (base / "stage0.scores.jsonl").exists():
        sequence.score(given.model, base, 0, [])
    print(
        "| run | average, % | forgetting, points | learning, % | newest, % | forgetting less that of the first | ",
        end="",
    )
    print("general text, nats |")
    print("|---|---|---|---|---|---|---|")
    for spec in given.runs:
        for seed in given.seeds:
            sequence.run(spec, seed)
        if parse_run(spec)[0] == "multi-task":
            print(f"| {spec} | {sequence.joint(spec, given.seeds)} | | | | | |", flush=True)
        else:
            reference = given.runs[0] if spec != given.runs[0] else None
            print(line_of(spec, sequence.figures(spec, reference, given.seeds)), flush=True)


if __name__ == "__main__":
    main()
