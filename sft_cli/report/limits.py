"""The values that `sft compare` measures, the limits of --fail-if-worse, and the result of the gate."""

from __future__ import annotations

from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.report.comparison import Measure
from sft_cli.report.gates import Limit, Outcome, missing_rows
from sft_cli.report.pairs import Pairs
from sft_cli.report.score_files import known_metric
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError


def one_measure(pairs: Pairs, asked: list[str]) -> Measure:
    """The measure that --metric names, or the only one that all rows have; raises UserError if there are several."""
    shared = [key for key in pairs.files[0].metrics if pairs.having(key, counts=False).all()]
    if not shared:
        raise UserError(
            "--metric: the rows of the tasks have no metric in common\n"
            "hint: score all tasks with one metric; name tasks of raw text with --general-text"
        )
    if not asked and len(shared) > 1:
        raise UserError(f"--metric: expected one of {', '.join(shared)}, which all rows have")
    return wanted_measures(asked, [], pairs, shared)[0]


def wanted_measures(asked: list[str], limits: list[str], pairs: Pairs, everywhere: list[str]) -> list[Measure]:
    """The values to compare: the primary value of each metric, or the named values, and those with a limit."""
    named = {key: read_metric(key) for key in everywhere}
    known: dict[str, Measure] = {}
    for key, metric in named.items():
        known[key] = _measure(metric, metric.primary, list(metric.metric.primary_sums))
    if not asked and not limits:
        return list(known.values())
    for key, metric in named.items():
        total = pairs.total(key)
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
        higher_is_better=metric.is_better_higher(value),
        largest=metric.metric.largest,
    )


def split_limit(text: str) -> tuple[str, float | None]:
    """`exact-match:0.02` as a name and a limit; `exact-match` as a name and None."""
    name, colon, limit = text.rpartition(":")
    try:
        return (name, float(limit)) if colon else (text, None)
    except ValueError:
        return text, None  # rouge-l:beta=1.2


def read_limit(text: str, measures: list[Measure]) -> Limit:
    """The value and the limit in an expression of --fail-if-worse."""
    name, limit = split_limit(text)
    if limit is not None and not limit >= 0:
        raise UserError(f"--fail-if-worse {text}: expected a limit of at least 0")
    return Limit(next(m.value for m in measures if name in (m.key, m.value)), limit)


def limited_measure(text: str, measure: Measure) -> Measure:
    """The only measure, if --fail-if-worse names it; otherwise raises UserError."""
    name = split_limit(text)[0]
    if name not in (measure.key, measure.value):
        raise UserError(f"--fail-if-worse {text}: expected {measure.key}, the metric of --forgetting")
    return measure


def missing_in(pairs: Pairs, measures: list[Measure], limits: list[Limit]) -> list[str]:
    """Why the gate fails: rows that are not in every file, or that do not have a limited value in every file."""
    reasons = missing_rows({file.path: len(file.rows) for file in pairs.files}, len(pairs))
    limited = {limit.value for limit in limits}
    for key in dict.fromkeys(measure.key for measure in measures if measure.value in limited):
        have = [file.has(key)[rows] for file, rows in zip(pairs.files, pairs.rows, strict=True)]
        for file, own in zip(pairs.files, have, strict=True):
            lacking = int((~own & sum(have).astype(bool)).sum())
            if lacking:
                reasons.append(
                    f"{lacking:,} of {len(pairs):,} rows of {file.path} have no {key}, but the same rows of "
                    "another file have it "
                    "(--allow-missing judges the others)"
                )
    return reasons


def say_gate(gate: Outcome | None, run: Run) -> None:
    """Print PASS; raise AnswerIsNo with FAIL. Without a gate print nothing."""
    if gate and not gate.passed:
        raise AnswerIsNo(gate.line)
    if gate:
        run.say(f"sft compare: {gate.line}")
