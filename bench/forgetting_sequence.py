"""A sequence of tasks: each run's stages, trained and scored in a folder of its own, done once."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from encode import write_rows
from forgetting_methods import METHODS, Method, Step
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
class Run:
    """A method at a knob and a learning rate; None is the best rate of naive training, which is not known yet."""

    method: str
    knob: float
    rate: float | None

    @classmethod
    def parse(cls, spec: str, methods: Mapping[str, Method]) -> list[Run]:
        """METHOD[:KNOB]@RATE; without a knob every one that the method may be tuned over (naive training: its rate)."""
        found = re.fullmatch(r"([\w+-]+?)(?::([\d.e-]+))?@([\d.e-]+|best)", spec)
        if found is None or found[1] not in methods:
            raise SystemExit(f"--runs: expected METHOD[:KNOB]@RATE, a method of {', '.join(methods)}; got {spec!r}")
        knobs = methods[found[1]].grid if found[1] != "naive" else (1.0,)
        rate = None if found[3] == "best" else float(found[3])
        return [cls(found[1], knob, rate) for knob in ((float(found[2]),) if found[2] else knobs)]

    def at(self, rate: float | None) -> Run:
        """This run, at the best rate if that was asked for."""
        return replace(self, rate=rate) if self.rate is None else self

    def __str__(self) -> str:
        return f"{self.method}:{self.knob:g}@{self.rate:g}"


@dataclass(frozen=True)
class Sequence:
    """Tasks in order, on one model; `options` are flags of every training run."""

    model: str
    tasks: tuple[Task, ...]
    folder: Path
    new_tokens: int
    fraction: float
    options: tuple[Any, ...]

    def begin(self, count: int) -> None:
        """Write each task's rows under its name, and the first `count` tests of all: what rows say of tasks is set.

        A folder of another sequence is refused: what lies there would be taken for this one's.
        """
        facts, path = json.dumps({**asdict(self), "rows": count}, default=str, indent=1), self.folder / "sequence.json"
        if path.exists() and path.read_text(encoding="utf-8") != facts:
            raise SystemExit(f"{self.folder}: holds runs of other tasks, rows or flags ({path}); give another --folder")
        path.write_text(facts, encoding="utf-8")
        tests = []
        for task in self.tasks:
            rows = [json.loads(line) for line in task.train.read_text(encoding="utf-8").splitlines()]
            write_rows(self._rows(task), (named(row, task.name, place) for place, row in enumerate(rows)))
            lines = task.test.read_text(encoding="utf-8").splitlines()[:count]
            mine = [named(json.loads(line), task.name, place) for place, line in enumerate(lines)]
            write_rows(self.folder / f"{task.name}.test.jsonl", mine)
            tests += mine
        write_rows(self.folder / "all.test.jsonl", tests)

    def _rows(self, task: Task) -> Path:
        return self.folder / f"{task.name}.train.jsonl"

    def of(self, run: Run, seed: int, stage: int) -> Path:
        """The checkpoint of a stage; the first task is learned once for all runs at a rate, and plainly."""
        is_shared = stage == 1 and run.method != "multi-task"
        name = f"first@{run.rate:g}" if is_shared else str(run)
        return self.folder / name.replace(":", "-").replace("@", "-at-") / f"seed{seed}" / f"stage{stage}"

    def scores(self, run: Run, seed: int, stage: int) -> Path:
        """The scores of a stage."""
        return self.of(run, seed, stage).with_suffix(".scores.jsonl")

    def stages(self, run: Run) -> list[tuple[Task, ...]]:
        """The tasks that are learned in each stage."""
        return [self.tasks] if run.method == "multi-task" else [(task,) for task in self.tasks]

    def is_done(self, run: Run, seed: int) -> bool:
        """Whether the last stage is scored."""
        return self.scores(run, seed, len(self.stages(run))).exists()

    def first(self, run: Run, seed: int) -> None:
        """Learn the first task: what all runs at this rate go on from. SI's importance can only be recorded here."""
        out = self.of(run, seed, 1)
        if not (out / "config.json").exists():
            plain = replace(run, method="naive", knob=1.0)
            self._learn(Path(self.model), self.tasks[:1], [], plain, seed, out, ["--record-importance", "si"])
        if not self.scores(run, seed, 1).exists():
            self.score(out, self.scores(run, seed, 1))

    def run(self, run: Run, seed: int) -> None:
        """All stages of a run."""
        method, stages = METHODS[run.method], self.stages(run)
        if self.is_done(run, seed):
            return
        outs = {stage: self.of(run, seed, stage) for stage in range(1, len(stages) + 1)}
        ready = [n for n, out in outs.items() if self.scores(run, seed, n).exists() and (out / "config.json").exists()]
        done = max(ready, default=0)
        model = outs[done] if done else Path(self.model)
        for stage, learned in enumerate(stages[done:], done + 1):
            old, is_last = [task for task in self.tasks[: stage - 1] if task not in learned], stage == len(stages)
            record = ["--record-importance", method.record] if method.record and not is_last else []
            self._learn(model, learned, old, run, seed, outs[stage], record)
            columns = self.tasks[1:stage] if method.keeps_base else None
            self.score(outs[stage], self.scores(run, seed, stage), columns)
            model = outs[stage]
        for stage, out in outs.items():
            if stage > 1 or len(stages) == 1:
                shutil.rmtree(out, ignore_errors=True)

    def _learn(
        self, model: Path, learned: Iterable[Task], old: list[Task], run: Run, seed: int, out: Path, more: list[str]
    ) -> None:
        method, buffer, new = METHODS[run.method], out.parent / "buffer.jsonl", [self._rows(task) for task in learned]
        out.parent.mkdir(parents=True, exist_ok=True)
        if old:
            options = ("--fraction", self.fraction, "--seed", seed, "--force", "-q")
            sft("replay-build", *map(self._rows, old), *options, "-o", buffer)
        assert run.rate is not None
        latest = self._rows(old[-1]) if old else buffer
        step = Step(model, new[0], latest, buffer, run.rate, next(iter(learned)).name)
        is_exported = method.merges or method.after is not None
        made = out.with_name(out.name + "-trained") if is_exported else out
        shutil.rmtree(made, ignore_errors=True)
        flags = (*method.flags(step, run.knob), *more, *self.options, "--seed", seed, "--resume", "-q")
        sft("train", *(method.data(step) if old else new), "--model", model, *flags, "-o", made)
        shutil.copy(made / "metrics.jsonl", out.with_suffix(".metrics.jsonl"))
        if is_exported:
            sft("export", made, *(method.after(step, run.knob) if method.after else ()), "-o", out, "--force", "-q")
            shutil.rmtree(made)

    def score_base(self) -> None:
        """The model as it is given."""
        if not self.base_scores.exists():
            self.base_scores.parent.mkdir(exist_ok=True)
            self.score(self.model, self.base_scores)

    @property
    def base_scores(self) -> Path:
        """The scores of the model as it is given."""
        return self.folder / "base" / "stage0.scores.jsonl"

    def score(self, model: str | Path, target: Path, columns: tuple[Task, ...] | None = None) -> None:
        """Exact matches of all tasks, and the loss of general text; of `columns`, each task's and the base's."""
        part, scores, found = target.with_suffix(".part"), target.with_suffix(".scored"), []

        def add(data: Path, metric: str, *flags: Any) -> None:
            more = ("--generation-config", "none", "--force", "-q")
            sft("generate", model, data, *flags, *more, "-o", part)
            sft("score", part, "--metric", metric, "-o", scores, "--force", "-q")
            found.append(scores.read_text(encoding="utf-8"))

        limits = ("--max-new-tokens", self.new_tokens, "--temperature", 0)
        base = () if columns is None else ("--column", "base")
        if columns is None:
            add(self.folder / "all.test.jsonl", "exact-match", *limits)
        else:
            for task in self.tasks:
                column = task.name if task in columns else "base"
                add(self.folder / f"{task.name}.test.jsonl", "exact-match", *limits, "--column", column)
        add(self.folder / "general.jsonl", "perplexity:of=text", "--echo-logprobs", "--max-new-tokens", 0, *base)
        part.write_text("".join(found), encoding="utf-8")
        part.replace(target)

    def files(self, run: Run, seeds: list[int]) -> list[str]:
        """The score files of each stage, those of its seeds joined by commas."""
        stages = range(1, len(self.stages(run)) + 1)
        return [",".join(str(self.scores(run, seed, stage)) for seed in seeds) for stage in stages]

    def shares(self, run: Run, seed: int) -> dict[str, float]:
        """Of one seed: newest (task, in the end), old (the others' mean), average (all), learning (when learned)."""
        by_stage = [shares_of(Path(path)) for path in self.files(run, [seed])]
        last, names = by_stage[-1], [task.name for task in self.tasks]
        learning = [by_stage[min(at, len(by_stage) - 1)][name] for at, name in enumerate(names)]
        return {
            "newest": last[names[-1]],
            "old": statistics.fmean(last[name] for name in names[:-1]),
            "average": statistics.fmean(last[name] for name in names),
            "learning": statistics.fmean(learning),
        }

    def figures(self, run: Run, reference: Run | None, seeds: list[int]) -> dict[str, Any]:
        """What `sft compare --forgetting` says of a run, and of its differences to a reference run."""
        against = self.files(reference, seeds) if reference and reference != run else []
        words = [word for task in self.tasks for word in ("--learned", task.name)]
        words += [word for path in against for word in ("--against", path)]
        stages = (self.base_scores, *self.files(run, seeds))
        found = sft("compare", "--forgetting", *stages, *words, "--general-text", "general", "--json", "-q")
        return dict(json.loads(found))


def named(row: dict[str, Any], task: str, place: int) -> dict[str, Any]:
    """The row under a task's name, with an id that no other task's has."""
    return {**row, "id": f"{task}/{row.get('id', place)}", "task": task}


def shares_of(path: Path) -> dict[str, float]:
    """The share of exact matches by task."""
    right: dict[str, list[float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "exact_match" in row["metrics"]:
            right.setdefault(row["task"], []).append(row["metrics"]["exact_match"])
    return {task: statistics.fmean(values) for task, values in right.items()}
