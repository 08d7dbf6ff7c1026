"""`sft compare --forgetting`: score files of the stages of a sequence of tasks, as a matrix and its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sft_cli.report.comparison import Draws
from sft_cli.report.forgetting_sequence import Sequence, measured
from sft_cli.report.forgetting_text import forgetting_text
from sft_cli.report.score_files import PairKey, ScoreFile, check_signatures, read_score_file
from sft_cli.report.table import markdown_table, text_table
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.run.text import counted

if TYPE_CHECKING:
    from sft_cli.commands.compare import CompareSettings

FindMeasure = Callable[[list[ScoreFile], list[PairKey], list[str]], Any]


def compare_forgetting(settings: CompareSettings, run: Run, find_measure: FindMeasure) -> None:
    """Read the stages' files, print the matrix and its figures. `find_measure` gives the measure of some rows."""
    check_settings(settings)
    stages = [read_stage(text, settings.limit) for text in settings.scores]
    against = [read_stage(text, settings.limit) for text in settings.against]
    joint = [read_stage(settings.joint, settings.limit)] if settings.joint else []
    check_seeds(settings, stages, against, joint)
    everything = [file for files in [*stages, *against, *joint] for file in files]
    names = task_names(everything)
    check_tasks(settings, names)
    texts = [*settings.general_text, *settings.base_samples]
    columns = [*settings.learned, *(name for name in names if name not in (*settings.learned, *texts))]
    keys = {name: common_keys(everything, name) for name in [*columns, *texts]}
    for line in left_out(everything, keys):
        run.say(line)
    for name in texts:
        keys[name] = read_by_all(everything, name, keys[name], run)
    measure = find_measure(everything, [key for name in columns for key in keys[name]], settings.metric)
    perplexities = [key for key in everything[0].metrics if texts and key.partition(":")[0] == "perplexity"]
    for key in dict.fromkeys([measure.key, *perplexities]):
        for line in check_signatures(everything, key):
            run.say(line)
    seeds = max(map(len, stages))
    sequence = Sequence(
        learned=settings.learned,
        general_text=settings.general_text,
        base_samples=settings.base_samples,
        columns=columns,
        stages=len(stages),
        grid=by_seed([*stages, *joint], seeds),
        against=by_seed([stages[0], *against, *joint], seeds) if against else [],
        keys=keys,
        measure=measure,
    )
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    found = {**measured(sequence, draws), "files": [[file.path for file in files] for files in stages]}
    found |= {"files_against": [[file.path for file in files] for files in against]} if against else {}
    with run.output() as sink:
        if settings.json:
            sink.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        else:
            sink.write(forgetting_text(found, markdown_table if settings.markdown else text_table))


def by_seed(stages: list[list[ScoreFile]], seeds: int) -> list[list[ScoreFile]]:
    """The files of each seed, stage by stage; a stage of one file has it for all seeds."""
    return [[files[seed % len(files)] for files in stages] for seed in range(seeds)]


def check_seeds(
    settings: CompareSettings,
    stages: list[list[ScoreFile]],
    against: list[list[ScoreFile]],
    joint: list[list[ScoreFile]],
) -> None:
    """Raise UserError unless each stage has a file for each seed; one for all will do, but not in --against."""
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
                f"--against {text}: expected {counted(seeds, 'file')}, one for each seed of what is compared; "
                f"got {len(files)}"
            )


def check_tasks(settings: CompareSettings, names: list[str]) -> None:
    """Raise UserError for a task that is named by a flag and in no row."""
    named = {
        "--learned": settings.learned,
        "--general-text": settings.general_text,
        "--base-samples": settings.base_samples,
    }
    for flag, tasks in named.items():
        for name in tasks:
            if name not in names:
                raise UserError(
                    f"{flag}: no row is of the task {name!r}.{near_name(name, names)} Known: {', '.join(names)}"
                )


def check_settings(settings: CompareSettings) -> None:
    """Raise UserError for what does not go with --forgetting, or is missing."""
    if len(settings.learned) != len(settings.scores) - 1 or len(settings.learned) < 2:
        raise UserError(
            "--learned: expected one task for each file after the first, in order, and at least two; got "
            f"{counted(len(settings.learned), 'task')} and {counted(len(settings.scores), 'file')}\n"
            "hint: sft compare --forgetting base.jsonl a.jsonl b.jsonl --learned A --learned B"
        )
    if len(set(settings.learned)) < len(settings.learned):
        raise UserError("--learned: expected each task once")
    if len(settings.against) not in (0, len(settings.learned)):
        raise UserError(
            f"--against: expected it once for each stage after the base, {len(settings.learned)} times; got "
            f"{len(settings.against)}\nhint: seeds of a stage are joined by commas: --against a.s1.jsonl,a.s2.jsonl"
        )
    if settings.fail_if_worse:
        raise UserError("--fail-if-worse: does not go with --forgetting")
    if len(settings.metric) > 1:
        raise UserError(f"--metric: expected one with --forgetting, got {len(settings.metric)}")


def read_stage(text: str, limit: int | None) -> list[ScoreFile]:
    """The files of one stage, one for each seed."""
    return [read_score_file(path, path, limit) for path in text.split(",")]


def task_names(files: list[ScoreFile]) -> list[str]:
    """The tasks of all rows, in order of appearance; raises UserError for a row without one."""
    names: dict[str, None] = {}
    for file in files:
        for (row_id, _), row in file.rows.items():
            if not isinstance(row.get("task"), str):
                raise UserError(
                    f"{file.path}: row {row_id!r}: task: expected text, got nothing; --forgetting goes by task"
                )
            names[row["task"]] = None
    return list(names)


def common_keys(files: list[ScoreFile], task: str) -> list[PairKey]:
    """The rows of a task that every file has, in the order of the first; raises UserError if there are none."""
    first = files[0]
    keys = [key for key, row in first.rows.items() if row["task"] == task and all(key in file.rows for file in files)]
    if not keys:
        raise UserError(f"{task}: no id and sample is in all files\nhint: score the same rows after every stage")
    return keys


def left_out(files: list[ScoreFile], keys: dict[str, list[PairKey]]) -> list[str]:
    """One line for each task of which some file has rows that others lack."""
    lines = []
    for task, common in keys.items():
        known = {key for file in files for key, row in file.rows.items() if row["task"] == task}
        if len(known) > len(common):
            missing = len(known) - len(common)
            lines.append(f"warning: {task}: {missing:,} of {len(known):,} rows are not in every file and are left out")
    return lines


def read_by_all(files: list[ScoreFile], task: str, keys: list[PairKey], run: Run) -> list[PairKey]:
    """The rows of a text without those that were too long for a model; says how many those are."""
    kept = [key for key in keys if all(is_read(file.rows[key]["stats"]) for file in files)]
    if not kept:
        raise UserError(
            f"{task}: no row is short enough for all models\nhint: --echo-logprobs reads long texts in windows"
        )
    if len(kept) < len(keys):
        gone = len(keys) - len(kept)
        run.say(f"warning: {task}: {gone:,} of {len(keys):,} rows are too long for a model and are left out")
    return kept


def is_read(stats: dict[str, dict[str, float]]) -> bool:
    """Whether the perplexity of a row, if it has one, is of a text that the model could read."""
    return all(sums["count"] for key, sums in stats.items() if key.partition(":")[0] == "perplexity")
