"""The values that `sft compare` measures: those of --metric and of the gates, each with its margin."""

from __future__ import annotations

from dataclasses import replace

from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.report.comparison import Measure
from sft_cli.report.gate_expressions import POINT, SIGNIFICANT, Gate, read_gate
from sft_cli.report.pairs import Pairs
from sft_cli.report.score_files import known_metric
from sft_cli.report.settings import CompareSettings
from sft_cli.run.errors import UserError

Known = dict[str, Measure]


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
    if not asked:
        return next(iter(known_measures(pairs, shared, with_values=False).values()))
    known = known_measures(pairs, shared)
    return known[known_metric(asked[0], list(known), "--metric")]


def known_measures(pairs: Pairs, everywhere: list[str], with_values: bool = True) -> Known:
    """By name: the primary value of each metric that every file has, and with `with_values` all values by their own."""
    named = {key: read_metric(key) for key in everywhere}
    known = {key: _measure(metric, metric.primary, list(metric.metric.primary_sums)) for key, metric in named.items()}
    for key, metric in named.items() if with_values else ():
        total = pairs.total(key)
        for value_name in metric.values(total) if total.get("count") else ():
            is_primary = value_name == metric.primary
            known.setdefault(value_name, known[key] if is_primary else _measure(metric, value_name, list(total)))
    return known


def wanted_measures(settings: CompareSettings, known: Known, everywhere: list[str], gates: list[Gate]) -> list[Measure]:
    """The primary value of each metric, or the values that --metric names, and those of the gates; with --margin."""
    chosen = [known[known_metric(name, list(known), "--metric")] for name in settings.metric]
    first = chosen or [known[key] for key in everywhere]
    gated = [next(measure for measure in known.values() if measure.value == gate.value) for gate in gates]
    measures = {measure.value: measure for measure in [*first, *gated]}
    for text in settings.margin:
        margin_of(text, measures)
    return list(measures.values())


def margin_of(text: str, measures: dict[str, Measure]) -> None:
    """Set the margin of a --margin: `X` of all measures, `METRIC:X` of one; raises UserError for another form."""
    name, margin = split_number(text)
    if margin is None and _is_float(text):
        name, margin = "", float(text)
    if margin is None or not margin > 0:
        raise UserError(f"--margin {text}: expected X or METRIC:X, where X is a number above 0")
    chosen = [each for each in measures.values() if name in (each.key, each.value)] if name else [*measures.values()]
    if not chosen:
        known_metric(name, list(measures), "--margin")
    scales = {each.largest for each in chosen}
    if len(scales) > 1:
        raise UserError(
            f"--margin {text}: the values have different scales\nhint: --margin METRIC:X, once for each metric"
        )
    for each in chosen:
        measures[each.value] = replace(each, margin=margin)


def read_gates(settings: CompareSettings, known: Known, groups: list[str]) -> list[Gate]:
    """The gates of --fail-if-worse and of --gate; raises UserError for a value that not every file has."""
    gates = [_shorthand(text, known) for text in settings.fail_if_worse]
    for text in settings.gate:
        gate = read_gate(text, known, groups)
        gates.append(replace(gate, value=known[gate.value].value))
    return gates


def _shorthand(text: str, known: Known) -> Gate:
    name, limit = split_number(text)
    measure = known[known_metric(name, list(known), "--fail-if-worse")]
    if limit is not None and not limit >= 0:
        raise UserError(f"--fail-if-worse {text}: expected a limit of at least 0")
    sign = 1 if measure.higher_is_better else -1
    how = "significantly worse" if limit is None else f"worse by more than {limit:g}"
    return Gate(
        text=f"{measure.value} is not {how}",
        value=measure.value,
        group=None,
        sign=sign,
        is_strict=False,
        number=-sign * (limit or 0.0),
        is_relative=True,
        how=SIGNIFICANT if limit is None else POINT,
        is_shorthand=True,
    )


def split_number(text: str) -> tuple[str, float | None]:
    """`exact-match:0.02` as a name and a number; `exact-match` as a name and None."""
    name, colon, number = text.rpartition(":")
    # rouge-l:beta=1.2 has an option and no number.
    return (name, float(number)) if colon and _is_float(number) else (text, None)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _measure(metric: NamedMetric, value: str, sum_names: list[str]) -> Measure:
    return Measure(
        key=metric.key,
        value=value,
        sum_names=sum_names,
        statistic=metric.statistic(sum_names, value),
        higher_is_better=metric.is_better_higher(value),
        largest=metric.metric.largest,
    )
