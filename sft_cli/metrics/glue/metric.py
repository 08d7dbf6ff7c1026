"""GLUE and SuperGLUE as metrics: one file with rows of several tasks, the official measure of each, and their mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any, ClassVar, Literal

from sft_cli.metrics.answers import answer_of
from sft_cli.metrics.arithmetic import share
from sft_cli.metrics.choice_accuracy import check_entries, likeliest, right_choice
from sft_cli.metrics.correlation import average_ranks, moments, number_pair, pair_sum, pairs_of, spearman
from sft_cli.metrics.glue.tasks import (
    GLUE,
    SUPERGLUE,
    TOGETHER,
    OfficialTask,
    class_sums,
    official_values,
    sums_of_task,
    task_named,
)
from sft_cli.metrics.labels import naming_of, read_label
from sft_cli.metrics.overlap import references_of
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.row_texts import prompt_texts
from sft_cli.metrics.squad import squad_f1, squad_normalize
from sft_cli.run.seed import stable_hash


@dataclass
class BenchmarkSurvey:
    """What the measures need of other rows: of MultiRC the answers to each question, of STS-B the ranks."""

    prompts: set[int] = field(default_factory=set)
    questions: dict[int, list[bool]] = field(default_factory=lambda: defaultdict(list))  # right answers, MultiRC
    pairs: dict[int, tuple[float, float]] = field(default_factory=dict)  # of STS-B, by the row

    @cached_property
    def ranks(self) -> dict[int, tuple[float, float]]:
        """The rank of both numbers of each row of STS-B."""
        x, y = (average_ranks([pair[side] for pair in self.pairs.values()]).tolist() for side in (0, 1))
        return dict(zip(self.pairs, zip(x, y, strict=True), strict=True))


@dataclass(kw_only=True)
class Glue(Metric):
    """GLUE's official measures, and the GLUE score: the mean over the tasks of the mean of each task's measures.

    The field `task` names the task. The class that counts is the likeliest choice if the row has log-probabilities of
    its choices, or the choice that the answer names (`by=logprob` or `by=text` takes only one of them). A row that
    failed is wrong. Tasks that the file does not have are left out of the score, and the signature says which it has.
    """

    name: ClassVar[str] = "glue"
    primary: ClassVar[str] = "glue"
    tasks: ClassVar[dict[str, OfficialTask]] = GLUE
    primary_sums: ClassVar[tuple[str, ...]] = (
        *(f"{name}:{each}" for name, task in GLUE.items() for each in sums_of_task(name, task)),
        "count",
    )
    missing: ClassVar[str] = "other_task"
    counted: ClassVar[tuple[str, ...]] = ("unread", "no_right_choice", "no_number", "no_logprobs", "too_long")
    of_file: ClassVar[bool] = True
    by: Literal["auto", "logprob", "text"] = "auto"
    seen: BenchmarkSurvey = field(default_factory=BenchmarkSurvey, init=False)

    def survey(self, row: Mapping[str, Any]) -> None:
        """Note the row's answer where the measure of its task needs the other rows."""
        name = task_named(row.get("task"), self.tasks)
        if name is None:
            return
        self.seen.__dict__.pop("ranks", None)
        self.seen.prompts.add(stable_hash(row["id"]))
        if name == "stsb":
            pair = number_pair(row, "auto")
            if pair is not None and pair[0] is not None:
                self.seen.pairs[_row_key(row)] = pair[0], pair[1]
        elif name == "multirc" and row.get("choices") and (gold := right_choice(row)) is not None:
            if self._notes(row).get("no_logprobs"):
                return
            self.seen.questions[_question_key(row)].append(self._chosen(row) == gold)

    def _chosen(self, row: Mapping[str, Any]) -> int | None:
        """The place of the choice that the model takes; None for none."""
        entries, choices = row.get("choice_logprobs") or [], row["choices"]
        if row["completion"] is None:
            return None
        if self.by == "logprob" or (self.by == "auto" and entries):
            if entries:
                check_entries(row)
            totals = [entry["sum"] for entry in entries if entry is not None]
            return likeliest(totals) if len(totals) == len(choices) else None
        answer = answer_of(row)
        name = None if answer is None else read_label(answer, choices)[0]
        names = list(map(naming_of(choices), choices))
        return names.index(name) if name in names else None

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The sums of the row's task, under its name."""
        name = task_named(row.get("task"), self.tasks)
        if name is None:
            return None
        task = self.tasks[name]
        if name == "stsb":
            own = self._numbers(row)
        elif not row.get("choices"):
            own = {"count": 0, "no_right_choice": 1}
        elif name == "record":
            own = self._entity(row)
        else:
            own = self._class(row, name, task)
        if not own.get("count", 1):
            return own
        notes = {} if name == "stsb" else self._notes(row)
        if notes.get("no_logprobs"):
            return {"count": 0, **notes}
        return {**{f"{name}:{each}": value for each, value in own.items()}, **notes, "count": 1}

    def _notes(self, row: Mapping[str, Any]) -> Sums:
        """Why a row has no choice although it did not fail: it is wrong, or left out without log-probabilities."""
        if row["completion"] is None or self._chosen(row) is not None:
            return {}
        entries = row.get("choice_logprobs") or []
        if self.by == "logprob" and not entries:
            return {"no_logprobs": 1}
        return {"too_long" if entries and self.by != "text" else "no_answer": 1}

    def _numbers(self, row: Mapping[str, Any]) -> Sums:
        """STS-B: the moments of both numbers, and of their ranks among all rows of STS-B."""
        pair = number_pair(row, "auto")
        if pair is None or pair[0] is None:
            return {"count": 0, "no_number" if pair is None else "unread": 1}
        ranks = moments(*self.seen.ranks[_row_key(row)])
        of_ranks = {f"rank_{part}": value for part, value in ranks.items()}
        return {"rows": 1, **moments(pair[0], pair[1]), **of_ranks, pair_sum(pair[0], pair[1]): 1}

    def _class(self, row: Mapping[str, Any], name: str, task: OfficialTask) -> Sums:
        gold = right_choice(row)
        if gold is None or gold >= task.classes:
            return {"count": 0, "no_right_choice": 1}
        sums = class_sums(gold, self._chosen(row), task)
        if name == "multirc" and not self._notes(row).get(
            "no_logprobs"
        ):  # the answers to a question count as one question together
            answers = self.seen.questions[_question_key(row)]
            sums |= {"questions": 1 / len(answers), "whole_questions": all(answers) / len(answers)}
        return sums

    def _entity(self, row: Mapping[str, Any]) -> Sums:
        """ReCoRD: F1 and exact match of the chosen entity with the best of the right ones."""
        right = references_of(row)
        if not right:
            return {"count": 0, "no_right_choice": 1}
        place = self._chosen(row)
        if place is None:
            return {"rows": 1, "f1": 0.0, "em": 0}
        entities = row.get("entities") or row["choices"]
        said = entities[place]
        exact = squad_normalize(said) in map(squad_normalize, right)
        return {"rows": 1, "f1": max(squad_f1(said, text) for text in right), "em": int(exact)}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The score, and the official measures of each task that the sums have."""
        values: dict[str, Any] = {}
        means: dict[str, list[Any]] = defaultdict(list)
        for name, task in self.tasks.items():
            own = {each: sums[f"{name}:{each}"] for each in sums_of_task(name, task) if f"{name}:{each}" in sums}
            if not own or not _any(own["rows"]):
                continue
            found = official_values(name, task, own)
            if pairs := pairs_of(sums, f"{name}:"):  # then it is exact in resamples also
                found["spearman"] = spearman(pairs)
            values |= {f"{self.name}.{name.replace('-', '_')}.{measure}": value for measure, value in found.items()}
            means[TOGETHER.get(name, name)].append(mean_of(list(found.values())))
        return {self.primary: mean_of([mean_of(each) for each in means.values()]), **values}

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Nothing: measures such as F1 have no meaning for one row."""
        return {}

    def file_parts(self, sums: Mapping[str, float]) -> dict[str, str]:
        """The tasks of the score."""
        there = [name for name in self.tasks if sums.get(f"{name}:rows")]
        count = len({TOGETHER.get(name, name) for name in there})
        whole = len({TOGETHER.get(name, name) for name in self.tasks})
        return {"tasks": f"{'+'.join(there)}({count} of {whole})"}

    def signature_parts(self) -> dict[str, str]:
        """How the choice of the model is found, and the prompts of the file."""
        prompts = f"{len(self.seen.prompts)}@{stable_hash(sorted(self.seen.prompts)) >> 32:08x}"
        return {"by": self.by, "prompts": prompts}


@dataclass(kw_only=True)
class SuperGlue(Glue):
    """SuperGLUE's official measures, and their mean: as the metric `glue`, with the tasks of SuperGLUE.

    ReCoRD is scored by the entity that is chosen: the row's `references` are all right entities.
    """

    name: ClassVar[str] = "superglue"
    primary: ClassVar[str] = "superglue"
    tasks: ClassVar[dict[str, OfficialTask]] = SUPERGLUE
    primary_sums: ClassVar[tuple[str, ...]] = (
        *(f"{name}:{each}" for name, task in SUPERGLUE.items() for each in sums_of_task(name, task)),
        "count",
    )


def mean_of(values: list[Any]) -> Any:
    """The mean of the values that are not NaN, which may be arrays of resamples; NaN if there are none."""
    known = [value == value for value in values]
    total = sum((_or_zero(value) for value in values), start=0.0)
    return share(total, sum((each * 1 for each in known), start=0))


def _or_zero(value: Any) -> Any:
    if hasattr(value, "shape"):
        import numpy as np

        return np.nan_to_num(value)
    return 0.0 if isnan(value) else value


def _any(rows: Any) -> bool:
    return bool(rows.any()) if hasattr(rows, "shape") else bool(rows)


def _row_key(row: Mapping[str, Any]) -> int:
    return stable_hash(row["id"], row.get("sample", 0))


def _question_key(row: Mapping[str, Any]) -> int:
    """The question of a row of MultiRC: the prompt, which all answers to it share."""
    return stable_hash(list(prompt_texts(row)), row.get("sample", 0))
