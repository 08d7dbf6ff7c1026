"""The flags of `sft compare`, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.report.explain.settings import ExplainSettings, check_explain, check_no_explain
from sft_cli.report.human.settings import HumanSettings
from sft_cli.report.row_settings import check_no_shown_rows, check_shown_rows
from sft_cli.report.score_files import (
    ScoreFile,
)
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag

NO_GROUPS = "none"


@dataclass(frozen=True, kw_only=True)
class CompareSettings(ExplainSettings, HumanSettings, Common):
    """Flags of `sft compare`."""

    group: ClassVar[str] = "Comparison"

    scores: Annotated[
        list[str],
        Flag(
            "score files, the base first; generations with --blind-page, ratings with --ratings",
            positional=True,
            reads=True,
            joined=",",
            metavar="FILE",
            group="Data",
            is_usual=True,
        ),
    ]
    metric: Annotated[
        list[str],
        Flag(
            "compare only this metric (rouge-l) or this value of a metric (rouge_l.r); repeatable [default: "
            "all that every file has]",
            metavar="NAME",
            starts="sft_cli.metrics:METRICS",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    by: Annotated[str, Flag("also compare the rows of each value of this field", metavar="FIELD", is_usual=True)] = (
        "task"
    )
    margin: Annotated[
        list[str],
        Flag(
            "smallest difference that matters, in the units of the metric (METRIC:X: of one metric); below it two "
            "files are equivalent [default: 2 % of the scale]",
            metavar="[METRIC:]X",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    all_pairs: Annotated[bool, Flag("compare each file with every other, not only with the first")] = False
    allow_different: Annotated[
        list[str],
        Flag(
            "a setting of sft generate that the files may differ in, for example temperature, or any; repeatable",
            metavar="NAME",
        ),
    ] = field(default_factory=list)
    cluster: Annotated[
        str | None,
        Flag(
            "rows with the same value of this field depend on each other; intervals and tests take them together "
            "[default: the samples of a prompt]"
        ),
    ] = None
    draws: Annotated[int, Flag("number of bootstrap resamples and of random swaps", minimum=100, metavar="N")] = 10_000
    confidence: Annotated[float, Flag("confidence level of the intervals", above=0, metavar="SHARE")] = 0.95
    seed: Annotated[
        int, Flag("seed of the resamples and swaps, and of the order on a blind page", minimum=0, metavar="N")
    ] = 0
    json: Annotated[bool, Flag("write JSON; later versions only add keys", is_usual=True)] = False
    markdown: Annotated[bool, Flag("write Markdown, for a comment on a pull request", is_usual=True)] = False
    forgetting: Annotated[
        bool,
        Flag(
            "each file is a stage: the base, then the model after each task; "
            "join seeds of a stage: a.s1.jsonl,a.s2.jsonl",
            group="Forgetting",
            is_usual=True,
        ),
    ] = False
    learned: Annotated[
        list[str],
        Flag(
            "with --forgetting: the task that was learned in each stage; once for each file after the base, in the "
            "same order",
            metavar="TASK",
            group="Forgetting",
        ),
    ] = field(default_factory=list)
    joint: Annotated[
        str | None,
        Flag(
            "with --forgetting: scores of a model trained on all tasks together",
            reads=True,
            joined=",",
            metavar="FILE",
            group="Forgetting",
        ),
    ] = None
    against: Annotated[
        list[str],
        Flag(
            "with --forgetting: a stage of another method from the same base, to compare with; repeat for "
            "each stage, in order",
            reads=True,
            joined=",",
            metavar="FILE",
            group="Forgetting",
        ),
    ] = field(default_factory=list)
    general_text: Annotated[
        list[str],
        Flag(
            "with --forgetting: a task of raw text whose loss is reported; repeatable",
            metavar="TASK",
            group="Forgetting",
        ),
    ] = field(default_factory=list)
    base_samples: Annotated[
        list[str],
        Flag(
            "with --forgetting: a task with references that the base model wrote; the loss on them estimates the "
            "KL divergence from the base; repeatable",
            metavar="TASK",
            group="Forgetting",
        ),
    ] = field(default_factory=list)
    fail_if_worse: Annotated[
        list[str],
        Flag(
            "exit with code 1 if METRIC is significantly worse (METRIC:X: worse by more than X) overall "
            "or in a group of --by; repeatable",
            metavar="METRIC[:X]",
            group="Gate",
            starts="sft_cli.metrics:METRICS",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    gate: Annotated[
        list[str],
        Flag(
            "exit with code 1 unless this holds: 'exact_match >= 0.8', 'old.exact_match >= base - 0.02'; "
            "', lower bound' tests the interval; repeatable",
            metavar="EXPRESSION",
            group="Gate",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    require_power: Annotated[
        bool, Flag("also exit with code 1 if there is too little data to judge a gate", group="Gate")
    ] = False
    allow_missing: Annotated[bool, Flag("with a gate: accept rows that are not in every file", group="Gate")] = False
    junit: Annotated[str | None, Flag("write the gates to a JUnit file", metavar="FILE", group="Gate")] = None

    @property
    def has_gate(self) -> bool:
        """Whether the answer can be no."""
        return bool(self.fail_if_worse or self.gate)


def check_groups(base: ScoreFile, by: str) -> None:
    """Raise UserError for a --by without groups; `task` is only the default, `none` means no groups."""
    if by not in ("task", NO_GROUPS) and not any(group is not None for group in base.groups):
        raise UserError(
            f"--by: no row of {base.path} has the field {by!r}\n"
            f"hint: sft score --by {by} writes the field into its rows; --by {NO_GROUPS} compares without groups"
        )


def check_compare_flags(settings: CompareSettings) -> None:
    """Raise UserError for flags that do not go together."""
    if settings.confidence >= 1:
        raise UserError(f"--confidence: expected less than 1, got {settings.confidence!r}")
    if settings.json and settings.markdown:
        raise UserError("--json, --markdown: expected only one of them")
    gate_only = {
        "--allow-missing": settings.allow_missing,
        "--require-power": settings.require_power,
        "--junit": settings.junit,
    }
    for flag in (flag for flag, value in gate_only.items() if value and not settings.has_gate):
        raise UserError(f"{flag}: has an effect only with --gate or --fail-if-worse")
    if settings.forgetting:
        without = {
            "--margin": settings.margin,
            "--all-pairs": settings.all_pairs,
            "--cluster": settings.cluster,
        }
        for flag in (flag for flag, value in without.items() if value):
            raise UserError(f"{flag}: has no effect with --forgetting")
        check_no_shown_rows(settings)
        check_no_explain(settings)
    else:
        check_no_forgetting(settings)
        check_explain(settings)
        check_shown_rows(settings, len(settings.scores))


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
        raise UserError(f"{flag}: has an effect only with --forgetting")


def left_out_lines(settings: CompareSettings, files: list[ScoreFile], somewhere: list[str]) -> list[str]:
    """The metrics that are not compared or not checked, one line each."""
    lines = []
    for key in somewhere if not settings.metric else []:
        having = ", ".join(file.label for file in files if key in file.metrics)
        lines.append(f"warning: {key}: only in {having}; left out")
    unsigned = [file.path for file in files if not file.signatures]
    if unsigned:
        lines.append(f"warning: {', '.join(unsigned)}: the rows have no signatures, so their options are not checked")
    return lines
