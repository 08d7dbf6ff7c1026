"""`sft compare --forgetting`: score files of the stages of a sequence of tasks, as a matrix and its figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

from sft_cli.report.comparison import Draws, Measure
from sft_cli.report.forgetting.sequence import Grid, Sequence, gated_comparisons, measured
from sft_cli.report.forgetting.text import forgetting_text
from sft_cli.report.gates import Judged, Outcome, judge
from sft_cli.report.generation_settings import check_generation_settings
from sft_cli.report.junit import finish_gate
from sft_cli.report.measures import one_measure, read_gates, split_number
from sft_cli.report.missing import missing_rows
from sft_cli.report.paired_rows import adjust
from sft_cli.report.pairs import Pairs, check_pairs, pair_rows
from sft_cli.report.score_files import PairKey, ScoreFile, check_signatures, labels_of, read_score_file
from sft_cli.report.settings import CompareSettings
from sft_cli.report.table import markdown_table, text_table
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.run.text import counted

Files = list[list[ScoreFile]]  # [stage][seed]


def compare_forgetting(settings: CompareSettings, run: Run) -> None:
    """Read the files of the stages, print the matrix and its figures, and apply --fail-if-worse."""
    check_forgetting_flags(settings)
    stages = [read_stage(text, settings.limit) for text in settings.scores]
    against = [read_stage(text, settings.limit) for text in settings.against]
    joint = [read_stage(settings.joint, settings.limit)] if settings.joint else []
    check_seeds(settings, stages, against, joint)
    everything = [file for files in [*stages, *against, *joint] for file in files]
    names = tasks_of_files(everything)
    check_tasks(settings, names)
    pairs = pair_rows(everything)
    texts = [*settings.general_text, *settings.base_samples]
    tasks = [*settings.learned, *(name for name in names if name not in (*settings.learned, *texts))]
    rows = rows_of_tasks(pairs, [*tasks, *texts])
    for line in [*check_pairs(pairs), *left_out(pairs, [*tasks, *texts])]:
        run.say(line)
    for name in texts:
        rows[name] = read_by_all(pairs, name, rows[name], run)
    scored = pairs.of([place for name in tasks for place in rows[name].tolist()])
    measure = one_measure(scored, settings.metric)
    perplexities = [key for key in everything[0].metrics if texts and key.partition(":")[0] == "perplexity"]
    for key in dict.fromkeys([measure.key, *perplexities]):
        for line in check_signatures(everything, key):
            run.say(line)
    notes = check_generation_settings(everything, settings.allow_different)
    sequence = sequence_of(settings, SequenceRows(pairs, rows, tasks), (stages, against, joint), measure)
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    document = {**measured(sequence, draws), "files": [[file.path for file in files] for files in stages]}
    document["notes"] = notes
    document |= {"files_against": [[file.path for file in files] for files in against]} if against else {}
    outcome = forgetting_outcome(settings, sequence, document["figures"], draws) if settings.has_gate else None
    if outcome:
        document["gate"] = outcome.document()
    with run.output() as sink:
        if settings.json:
            sink.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        else:
            sink.write(forgetting_text(document, markdown_table if settings.markdown else text_table))
        if settings.has_page:
            from sft_cli.report.page.write import write_forgetting_page

            write_forgetting_page(settings, run, document)
        finish_gate(outcome, settings.junit, run)


def forgetting_outcome(settings: CompareSettings, sequence: Sequence, figures: dict[str, Any], draws: Draws) -> Outcome:
    """Apply the gates to the figures, and to each task after the last stage against the base."""
    measure = sequence.measure
    for text in settings.fail_if_worse:
        if split_number(text)[0] not in (measure.key, measure.value):
            raise UserError(f"--fail-if-worse {text}: expected {measure.key}, the metric of --forgetting")
    known = {name: replace(measure, key=name, value=name) for name in figures}
    gates = read_gates(settings, {measure.key: measure, measure.value: measure, **known}, sequence.tasks)
    for gate in gates:
        if gate.is_relative and gate.value in figures:
            raise UserError(f"--gate {gate.text}: expected a number: the base has no {gate.value}")
    comparisons = gated_comparisons(sequence, draws)
    adjust(comparisons, {gate.value for gate in gates if gate.by_chance})
    sizes = {file.path: len(file.rows) for file in sequence.pairs.files}
    missing = [] if settings.allow_missing else missing_rows(sizes, len(sequence.pairs))
    values = [*map(Judged.of, comparisons), *(_judged(name, each, sequence) for name, each in figures.items())]
    return judge(values, gates, draws, missing, settings.require_power)


def _judged(name: str, figure: dict[str, Any], sequence: Sequence) -> Judged:
    """A figure as a gate sees it."""
    return Judged(
        value=name,
        group=None,
        base="the base",
        other="the last stage",
        n=min(len(rows) for rows in sequence.rows.values()),
        number=figure["value"],
        bounds=figure["interval"],
        missing=figure["no_interval"] or "",
    )


class SequenceRows(NamedTuple):
    """The rows of all files, those of each task among them, and the tasks of the matrix in order."""

    pairs: Pairs
    of_task: dict[str, Any]
    tasks: list[str]


def sequence_of(
    settings: CompareSettings, scored: SequenceRows, files: tuple[Files, Files, Files], measure: Measure
) -> Sequence:
    """The sequence to measure; `files` are those of the stages, of the other method, and of the joint run."""
    stages, against, joint = files
    methods = [against[start : start + len(stages) - 1] for start in range(0, len(against), len(stages) - 1)]
    seeds = max(map(len, stages))
    number = {id(file): place for place, file in enumerate(scored.pairs.files)}

    def grid(parts: list[list[ScoreFile]]) -> Grid:
        return [[number[id(each)] for each in row] for row in by_seed(parts, seeds)]

    return Sequence(
        learned=settings.learned,
        general_text=settings.general_text,
        base_samples=settings.base_samples,
        tasks=scored.tasks,
        stages=len(stages),
        grid=grid([*stages, *joint]),
        against=[grid([stages[0], *method, *joint]) for method in methods],
        methods=labels_of([files[-1][0].path for files in (stages, *methods)]),
        pairs=scored.pairs,
        rows=scored.of_task,
        measure=measure,
    )


def by_seed(stages: list[list[ScoreFile]], seeds: int) -> list[list[ScoreFile]]:
    """The files of each seed, stage by stage; a stage with one file uses it for all seeds."""
    return [[files[seed % len(files)] for files in stages] for seed in range(seeds)]


def check_seeds(
    settings: CompareSettings,
    stages: list[list[ScoreFile]],
    against: list[list[ScoreFile]],
    joint: list[list[ScoreFile]],
) -> None:
    """Raise UserError unless each stage has a file for each seed, or (but not in --against) one for all seeds."""
    seeds = max(map(len, stages))
    texts = [*settings.scores, *([settings.joint] if settings.joint else [])]
    for text, files in zip(texts, [*stages, *joint], strict=True):
        if len(files) not in (1, seeds):
            raise UserError(
                f"{text}: expected {counted(seeds, 'file')}, one for each seed, or one for all; got {len(files)}"
            )
    for text, files in zip(settings.against, against, strict=True):
        if len(files) != seeds:
            raise UserError(
                f"--against {text}: expected {counted(seeds, 'file')}, one for each seed of the first method; "
                f"got {len(files)}"
            )


def check_tasks(settings: CompareSettings, names: list[str]) -> None:
    """Raise UserError for a task that a flag names but no row has."""
    named = {
        "--learned": settings.learned,
        "--general-text": settings.general_text,
        "--base-samples": settings.base_samples,
    }
    for flag, tasks in named.items():
        for name in tasks:
            if name not in names:
                raise UserError(
                    f"{flag}: no row has the task {name!r}.{near_name(name, names)} Known: {', '.join(names)}"
                )


def check_forgetting_flags(settings: CompareSettings) -> None:
    """Raise UserError for flags that do not fit --forgetting, and for missing flags."""
    if len(settings.learned) != len(settings.scores) - 1 or len(settings.learned) < 2:
        raise UserError(
            "--learned: expected one task for each file after the first, in order, and at least two; got "
            f"{counted(len(settings.learned), 'task')} and {counted(len(settings.scores), 'file')}\n"
            "hint: sft compare --forgetting base.jsonl a.jsonl b.jsonl --learned A --learned B"
        )
    if len(set(settings.learned)) < len(settings.learned):
        raise UserError("--learned: expected each task once")
    if len(settings.against) % len(settings.learned):
        raise UserError(
            f"--against: expected it once for each stage after the base, {len(settings.learned)} times for each other "
            f"method; got {len(settings.against)}\n"
            "hint: join the seeds of a stage with commas: --against a.s1.jsonl,a.s2.jsonl"
        )
    if len(settings.metric) > 1:
        raise UserError(f"--metric: expected one with --forgetting, got {len(settings.metric)}")


def read_stage(text: str, limit: int | None) -> list[ScoreFile]:
    """The files of one stage, one for each seed."""
    return [read_score_file(path, path, "task", limit) for path in text.split(",")]


def tasks_of_files(files: list[ScoreFile]) -> list[str]:
    """The tasks of all rows, in order of appearance; raises UserError for a row without one."""
    names: dict[str | None, None] = {}
    for file in files:
        names |= dict.fromkeys(file.groups)
        if None in names:
            where = file.where(file.groups.index(None))
            raise UserError(f"{where}: task: expected text, because --forgetting compares tasks, got nothing")
    return [name for name in names if name is not None]


def rows_of_tasks(pairs: Pairs, tasks: list[str]) -> dict[str, Any]:
    """The numbers of each task's pairs; raises UserError for a task without pairs."""
    groups = pairs.groups()
    for task in tasks:
        if task not in groups:
            raise UserError(f"{task}: no row is in all files\nhint: score the same rows after every stage")
    return {task: groups[task] for task in tasks}


def left_out(pairs: Pairs, tasks: list[str]) -> list[str]:
    """One line for each task with rows that are not in every file."""
    if all(len(file.rows) == len(pairs) for file in pairs.files):
        return []
    known: dict[str, set[PairKey]] = {task: set() for task in tasks}
    for file in pairs.files:
        for key, row in file.rows.items():
            known[file.groups[row] or ""].add(key)
    common = {task: len(rows) for task, rows in pairs.groups().items()}
    return [
        f"warning: {task}: {len(keys) - common[task]:,} of {len(keys):,} rows are not in every file and are left out"
        for task, keys in known.items()
        if len(keys) > common[task]
    ]


def read_by_all(pairs: Pairs, task: str, rows: Any, run: Run) -> Any:
    """The rows of a text without rows that are too long for a model; reports their number."""
    is_kept = pairs.all_count("perplexity")[rows]
    if not is_kept.any():
        raise UserError(
            f"{task}: no row is short enough for all models\nhint: --echo-logprobs reads long texts in windows"
        )
    if not is_kept.all():
        gone = int((~is_kept).sum())
        run.say(f"warning: {task}: {gone:,} of {len(rows):,} rows are too long for a model and are left out")
    return rows[is_kept]
