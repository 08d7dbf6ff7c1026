"""`sft compare`: score files in, a paired verdict out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.report.comparison import Comparison, Draws, Measure, adjust, compare_pair
from sft_cli.report.score_files import (
    PairKey,
    ScoreFile,
    check_signatures,
    common_metrics,
    known_metric,
    labels_of,
    paired_keys,
    read_score_file,
)
from sft_cli.report.table import markdown_table, text_table
from sft_cli.report.verdict import shown_interval, verdict_document, verdict_text
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.flags import Common, Flag

as_json = partial(json.dumps, ensure_ascii=False)


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
            "exit 1 if on METRIC the whole interval lies on the worse side, or, with METRIC:X, if the metric itself "
            "is worse by more than X; repeatable",
            metavar="METRIC[:X]",
        ),
    ] = field(default_factory=list)


def compare(settings: CompareSettings, run: Run) -> None:
    """Compare score files with the first: differences, intervals, p-values, and how many rows changed.

    Example: sft compare out/base.scores.jsonl out/tuned.scores.jsonl --fail-if-worse exact-match

    Rows are paired by id and sample. Intervals are percentiles of a paired bootstrap, p-values come from a paired
    approximate randomisation test; both resample prompts (all samples of one together) and apply the metric's formula
    to the added sums. METRIC in --fail-if-worse is a name as for --metric; the direction is the metric's own.
    """
    if settings.confidence >= 1:
        raise UserError(f"--confidence: expected less than 1, got {settings.confidence!r}")
    if settings.json and settings.markdown:
        raise UserError("--json, --markdown: expected one of them")
    if settings.forgetting:
        from sft_cli.commands.forgetting import compare_forgetting

        return compare_forgetting(settings, run, one_measure)
    check_no_forgetting(settings)
    if len(settings.scores) < 2:
        raise UserError("FILE: expected two or more score files, the base first; got one")
    labels = labels_of(settings.scores)
    files = [read_score_file(path, label, settings.limit) for path, label in zip(settings.scores, labels, strict=True)]
    keys = paired_keys(files)
    everywhere, somewhere = common_metrics(files)
    measures = wanted_measures(settings.metric, settings.fail_if_worse, files, keys, everywhere)
    limits = [read_limit(text, measures) for text in settings.fail_if_worse]
    for line in [*unpaired_lines(files, keys), *left_out_lines(settings, files, somewhere)]:
        run.say(line)
    for key in dict.fromkeys(measure.key for measure in measures):
        for line in check_signatures(files, key):
            run.say(line)
    draws = Draws(count=settings.draws, confidence=settings.confidence, seed=settings.seed)
    comparisons = all_comparisons(files, keys, measures, settings.by, draws)
    with run.output() as sink:
        if settings.json:
            sink.write(as_json(verdict_document(files, keys, comparisons, settings.by, draws), indent=1) + "\n")
        else:
            table = markdown_table if settings.markdown else text_table
            sink.write(verdict_text(files, comparisons, settings.by, draws, table))
    reasons = [reason for measure, limit in limits for reason in failures(comparisons, measure, limit)]
    if reasons:
        raise AnswerIsNo("\nsft compare: ".join(reasons))


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


def one_measure(files: list[ScoreFile], keys: list[PairKey], asked: list[str]) -> Measure:
    """The measure that --metric names, or the only one that all rows have; raises UserError if there are several."""
    shared = [key for key in files[0].metrics if all(key in file.rows[k]["stats"] for file in files for k in keys)]
    if not shared:
        raise UserError(
            "--metric: the rows of the tasks have no metric in common\n"
            "hint: score all with one; tasks of raw text are named by --general-text"
        )
    if not asked and len(shared) > 1:
        raise UserError(f"--metric: expected one of {', '.join(shared)}, which all rows have")
    return wanted_measures(asked, [], files, keys, shared)[0]


def wanted_measures(
    asked: list[str], limits: list[str], files: list[ScoreFile], keys: list[PairKey], everywhere: list[str]
) -> list[Measure]:
    """What to compare: the primary value of each metric, or those asked for by name, and what is limited."""
    named = {key: read_metric(key) for key in everywhere}
    known: dict[str, Measure] = {}
    for key, metric in named.items():
        known[key] = _measure(metric, metric.primary, list(metric.metric.primary_sums))
    if not asked and not limits:
        return list(known.values())
    for key, metric in named.items():
        total: dict[str, float] = {}
        for file in files:
            for pair in keys:
                for name, value in file.rows[pair]["stats"].get(key, {}).items():
                    total[name] = total.get(name, 0) + value
        for value_name in metric.values(total) if total.get("count") else ():
            is_primary = value_name == metric.primary
            known.setdefault(value_name, known[key] if is_primary else _measure(metric, value_name, list(total)))
    chosen = [known[known_metric(name, list(known), "--metric")] for name in asked]
    limited = [known[known_metric(split_limit(text)[0], list(known), "--fail-if-worse")] for text in limits]
    first = chosen or [known[key] for key in named]
    return list({measure.value: measure for measure in [*first, *limited]}.values())


def _measure(metric: NamedMetric, value: str, sum_names: list[str]) -> Measure:
    return Measure(
        key=metric.key,
        value=value,
        sum_names=sum_names,
        statistic=metric.statistic(sum_names, value),
        higher_is_better=metric.metric.higher_is_better,
    )


def split_limit(text: str) -> tuple[str, float | None]:
    """`exact-match:0.02` as a name and a limit; `exact-match` as a name and None."""
    name, colon, limit = text.rpartition(":")
    try:
        return (name, float(limit)) if colon else (text, None)
    except ValueError:
        return text, None  # rouge-l:beta=1.2


def read_limit(text: str, measures: list[Measure]) -> tuple[Measure, float | None]:
    """The measure that an expression of --fail-if-worse names, and its limit."""
    name, limit = split_limit(text)
    if limit is not None and not limit >= 0:
        raise UserError(f"--fail-if-worse {text}: expected a limit of at least 0")
    return next(m for m in measures if name in (m.key, m.value)), limit


def unpaired_lines(files: list[ScoreFile], keys: list[PairKey]) -> list[str]:
    """One line for each file that has rows which some other file lacks."""
    return [
        f"warning: {file.path}: {len(file.rows) - len(keys):,} of {len(file.rows):,} rows are not in every file; "
        f"{len(keys):,} rows are compared"
        for file in files
        if len(file.rows) > len(keys)
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


def all_comparisons(
    files: list[ScoreFile], keys: list[PairKey], measures: list[Measure], by: str, draws: Draws
) -> list[Comparison]:
    """Each measure, overall and in each group, each other file against the first."""
    base, others = files[0], files[1:]
    comparisons = []
    for measure in measures:
        scored = [key for key in keys if _is_scored(files, key, measure.key)]
        groups: dict[str | None, list[PairKey]] = {None: scored}
        for key in scored:
            group = base.rows[key].get(by)
            if group is not None:
                groups.setdefault(group if isinstance(group, str) else as_json(group), []).append(key)
        if len(groups) == 2:
            groups = {None: scored}  # one group would only say the same again
        for name, members in sorted(groups.items(), key=lambda item: (item[0] is not None, item[0] or "")):
            if members:
                comparisons += [compare_pair(base, other, members, measure, draws, name) for other in others]
    adjust(comparisons)
    return comparisons


def _is_scored(files: list[ScoreFile], key: PairKey, metric: str) -> bool:
    stats = [file.rows[key]["stats"] for file in files]
    return all(metric in row for row in stats) and any(row[metric]["count"] for row in stats)


def failures(comparisons: list[Comparison], measure: Measure, limit: float | None) -> list[str]:
    """Why --fail-if-worse fails on one measure, over all rows: a line for each file that is worse."""
    lines = []
    for found in comparisons:
        if found.value != measure.value or found.group is not None:
            continue
        is_worse = found.is_surely_worse if limit is None else found.gain < -limit
        if is_worse:
            why = f"interval {shown_interval(found)}" if limit is None else f"more than {limit:g}"
            lines.append(f"{found.value}: {found.other} is worse than {found.base} by {-found.gain:.4f} ({why})")
    return lines
