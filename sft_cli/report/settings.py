"""The flags of `sft compare`, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from sft_cli.report.score_files import (
    ScoreFile,
)
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag

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
