"""`sft compare`: score files in, a paired verdict out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.commands.limits import missing_in, read_limit, say_gate, wanted_measures
from sft_cli.report.comparison import Draws, compare_all
from sft_cli.report.gates import judge
from sft_cli.report.pairs import Pairs, check_pairs, pair_rows
from sft_cli.report.score_files import (
    ScoreFile,
    check_signatures,
    common_metrics,
    labels_of,
    read_score_file,
)
from sft_cli.report.table import markdown_table, text_table
from sft_cli.report.verdict import verdict_document, verdict_text
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag
from sft_cli.run.process import collect_rarely, multiply_alone

NO_GROUPS = "none"


@dataclass(frozen=True, kw_only=True)
class CompareSettings(Common):
    """Flags of `sft compare`."""

    scores: Annotated[
        list[str], Flag("score files, the base first", positional=True, reads=True, joined=",", metavar="FILE")
    ]
    metric: Annotated[
        list[str],
        Flag(
            "compare these only: a metric (rouge-l) or one of its values (rouge_l.r, accuracy.macro_f1); repeatable "
            "[default: every metric that all files have]",
            metavar="NAME",
        ),
    ] = field(default_factory=list)
    by: Annotated[str, Flag("also compare the rows of each value of this field", metavar="FIELD")] = "task"
    draws: Annotated[int, Flag("resamples and random swaps", minimum=100, metavar="N")] = 10_000
    confidence: Annotated[float, Flag("of the intervals", above=0, metavar="SHARE")] = 0.95
    seed: Annotated[int, Flag("seed of the draws", minimum=0, metavar="N")] = 0
    json: Annotated[bool, Flag("write JSON; keys are only ever added")] = False
    markdown: Annotated[bool, Flag("write a Markdown table")] = False
    forgetting: Annotated[
        bool,
        Flag(
            "the files are stages of a sequence: the base first, then the model after each task; several seeds of a "
            "stage are joined by commas"
        ),
    ] = False
    learned: Annotated[
        list[str], Flag("with --forgetting: the task that each file after the first has learned", metavar="TASK")
    ] = field(default_factory=list)
    joint: Annotated[
        str | None,
        Flag(
            "with --forgetting: scores of a model trained on all tasks at once", reads=True, joined=",", metavar="FILE"
        ),
    ] = None
    against: Annotated[
        list[str],
        Flag(
            "with --forgetting: the stages of another method from the same base, in order, once for each; every figure "
            "gets its difference to that method",
            reads=True,
            joined=",",
            metavar="FILE",
        ),
    ] = field(default_factory=list)
    general_text: Annotated[
        list[str], Flag("with --forgetting: a task of raw text, whose loss is told; repeatable", metavar="TASK")
    ] = field(default_factory=list)
    base_samples: Annotated[
        list[str],
        Flag("with --forgetting: a task whose references the base wrote, for KL(base‖now); repeatable", metavar="TASK"),
    ] = field(default_factory=list)
    fail_if_worse: Annotated[
        list[str],
        Flag(
            "exit 1 if METRIC is surely worse over all rows or in any --by group (p, after Holm's correction, below "
            "1 - confidence), or, with METRIC:X, if it is worse by more than X; repeatable",
            metavar="METRIC[:X]",
        ),
    ] = field(default_factory=list)
    allow_missing: Annotated[bool, Flag("with --fail-if-worse: rows that are not in every file do not fail it")] = False


def compare(settings: CompareSettings, run: Run) -> None:
    """Compare score files with the first: differences, intervals, p-values, and how many rows changed.

    Example: sft compare out/base.scores.jsonl out/tuned.scores.jsonl --fail-if-worse exact-match

    Rows are paired by id and sample; rows of one id whose prompts or references differ are refused. p-values come from
    a paired approximate randomisation test. Intervals are Newcombe's where each prompt is right or wrong, else
    percentiles of a paired bootstrap; under 5 prompts there are none. Both draw prompts (all samples of one together)
    and apply the metric's formula to the added sums. METRIC in --fail-if-worse is a name as for --metric; the direction
    is the metric's own. With --forgetting it tests each task after the last stage against the base, and with --against
    every task but the last also against the other method. One line says PASS or FAIL, and why.
    """
    multiply_alone()
    collect_rarely()
    if settings.confidence >= 1:
        raise UserError(f"--confidence: expected less than 1, got {settings.confidence!r}")
    if settings.json and settings.markdown:
        raise UserError("--json, --markdown: expected one of them")
    if settings.allow_missing and not settings.fail_if_worse:
        raise UserError("--allow-missing: only --fail-if-worse reads it")
    if settings.forgetting:
        from sft_cli.commands.forgetting import compare_forgetting

        return compare_forgetting(settings, run)
    check_no_forgetting(settings)
    if len(settings.scores) < 2:
        raise UserError("FILE: expected two or more score files, the base first; got one")
    labels = labels_of(settings.scores)
    files = [
        read_score_file(path, label, settings.by, settings.limit)
        for path, label in zip(settings.scores, labels, strict=True)
    ]
    check_groups(files[0], settings.by)
    pairs = pair_rows(files)
    everywhere, somewhere = common_metrics(files)
    measures = wanted_measures(settings.metric, settings.fail_if_worse, pairs, everywhere)
    limits = [read_limit(text, measures) for text in settings.fail_if_worse]
    for line in [*unpaired_lines(pairs), *check_pairs(pairs), *left_out_lines(settings, files, somewhere)]:
        run.say(line)
    for key in dict.fromkeys(measure.key for measure in measures):
        for line in check_signatures(files, key):
            run.say(line)
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    comparisons = compare_all(pairs, measures, draws)
    gate = None
    if limits:
        missing = [] if settings.allow_missing else missing_in(pairs, measures, limits)
        gate = judge(comparisons, limits, draws, missing)
    with run.output() as sink:
        if settings.json:
            document = verdict_document(pairs, comparisons, settings.by, draws, gate)
            sink.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        else:
            table = markdown_table if settings.markdown else text_table
            sink.write(verdict_text(files, comparisons, settings.by, draws, table))
        # Inside, so that the manifest says it too: --skip-if-current must not turn a no into a yes.
        say_gate(gate, run)


def check_groups(base: ScoreFile, by: str) -> None:
    """Raise UserError for a --by that groups nothing; `task` is only the default, `none` asks for no groups."""
    if by not in ("task", NO_GROUPS) and not any(group is not None for group in base.groups):
        raise UserError(
            f"--by: no row of {base.path} has the field {by!r}\nhint: sft score --by {by} writes it into its rows; "
            f"--by {NO_GROUPS} compares without groups"
        )


def check_no_forgetting(settings: CompareSettings) -> None:
    """Raise UserError for a flag that only --forgetting reads."""
    given = {
        "--learned": settings.learned,
        "--joint": settings.joint,
        "--against": settings.against,
        "--general-text": settings.general_text,
        "--base-samples": settings.base_samples,
    }
    for flag in (flag for flag, value in given.items() if value):
        raise UserError(f"{flag}: expected --forgetting beside it, which alone reads it")


def unpaired_lines(pairs: Pairs) -> list[str]:
    """One line for each file that has rows which some other file lacks."""
    return [
        f"warning: {file.path}: {len(file.rows) - len(pairs):,} of {len(file.rows):,} rows are not in every file; "
        f"{len(pairs):,} rows are compared"
        for file in pairs.files
        if len(file.rows) > len(pairs)
    ]


def left_out_lines(settings: CompareSettings, files: list[ScoreFile], somewhere: list[str]) -> list[str]:
    """What is not compared or not checked, one line each."""
    lines = []
    for key in somewhere if not settings.metric else []:
        having = ", ".join(file.label for file in files if key in file.metrics)
        lines.append(f"warning: {key}: only in {having}; left out")
    unsigned = [file.path for file in files if not file.signatures]
    if unsigned:
        lines.append(f"warning: {', '.join(unsigned)}: no signatures in the rows, so that they are not checked")
    return lines
