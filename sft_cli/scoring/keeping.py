"""`sft prep --keep` and `--keep-best`: which generations become training rows, by their scores."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sft_cli.data.readers import LocatedRecord
from sft_cli.data.row_rules import LeavesOut
from sft_cli.metrics.answers import THINK
from sft_cli.metrics.protocol import NamedMetric, needs_completions, read_metric
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.scoring.generations import check_generation

COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
KEEP_RULE = "--keep"  # of the ledger
KEEP_FORM = re.compile(r"\s*(?P<name>\S+?)\s*(?P<sign>==|!=|>=|<=|>|<)\s*(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True)
class Condition:
    """One --keep: a value of a metric, or a number in a field of the row, and what it must be."""

    text: str
    name: str
    metric: NamedMetric | None
    holds: Callable[[float, float], bool]
    number: float

    def is_true(self, record: dict[str, Any]) -> bool:
        """Whether the record fulfils it; a row that the metric cannot score does not. Raises FieldError."""
        value = _number_in(record, self.name) if self.metric is None else _value_of(self.metric, self.name, record)
        return value is not None and self.holds(value, self.number)


@dataclass(frozen=True)
class Keeper:
    """Passes on the generations that fulfil all conditions; with `best` the best sample of each prompt among them."""

    conditions: list[Condition]
    best: tuple[NamedMetric, str] | None

    def kept(self, records: Iterable[LocatedRecord], leave_out: LeavesOut) -> Iterator[LocatedRecord]:
        """The records that are kept; the others are left out with the reason.

        Records that cannot be read are passed on, for the ledger.
        """
        for _, samples in groupby(records, key=_same_prompt):
            rest = [located for located in samples if self._is_kept(located, leave_out)]
            if self.best is None:
                yield from rest
                continue
            scored = [(located, self._score(located)) for located in rest]
            known = [(located, score) for located, score in scored if score is not None]
            for located, score in scored:
                if score is None or located is max(known, key=lambda entry: entry[1] or 0.0)[0]:
                    yield located
                else:
                    leave_out(located[0], KEEP_RULE, f"another sample of the prompt has a better {self.best[1]}")

    def _is_kept(self, located: LocatedRecord, leave_out: LeavesOut) -> bool:
        record = located[1]
        if isinstance(record, FieldError):
            return True
        reason = {"error": "the generation failed", "length": "cut at the token limit"}.get(
            str(record.get("finish_reason"))
        )
        try:
            for condition in self.conditions if not reason else ():
                if not condition.is_true(record):
                    reason = f"{condition.text} is not true"
                    break
        except FieldError:
            return True  # the conversion names the bad field
        if reason:
            leave_out(located[0], KEEP_RULE, reason)
        return not reason

    def _score(self, located: LocatedRecord) -> float | None:
        record = located[1]
        if self.best is None or isinstance(record, FieldError):
            return None
        metric, name = self.best
        try:
            value = _value_of(metric, name, record)
        except FieldError:
            return None
        if value is None:
            return float("-inf")
        return value if metric.metric.higher_is_better else -value


def keeper_of(keep: list[str], best: str | None) -> Keeper:
    """What --keep and --keep-best ask for. Raises UserError for what cannot be read."""
    chosen = None
    if best is not None:
        metric, name = _metric_of(best)
        if metric is None:
            raise UserError(f"--keep-best {best}: expected a metric\nhint: --keep-best rouge-l")
        chosen = (metric, name)
    return Keeper([_read_condition(text) for text in keep], chosen)


def _read_condition(text: str) -> Condition:
    match = KEEP_FORM.fullmatch(text)
    if match is None:
        raise UserError(
            f"--keep {text!r}: expected a value, one of {', '.join(COMPARISONS)}, and a number\n"
            "hint: --keep 'exact_match == 1', --keep 'rouge_l.f >= 0.5', --keep 'completion_tokens <= 200'"
        )
    metric, name = _metric_of(match["name"])
    try:
        number = float(match["number"])
    except ValueError:
        raise UserError(f"--keep {text!r}: expected a number, got {match['number']}") from None
    return Condition(" ".join(text.split()), name, metric, COMPARISONS[match["sign"]], number)


def _metric_of(name: str) -> tuple[NamedMetric | None, str]:
    """The metric of a value such as `rouge_l.f` or `rouge-l`, and the value's name; no metric for another name."""
    head, point, _ = name.partition(".")
    base, colon, options = (head if point else name).partition(":")
    try:
        metric = read_metric(base.replace("_", "-") + colon + options)
    except UserError:
        return None, name
    if not needs_completions([metric]) or metric.metric.of_samples:
        raise UserError(f"--keep {name}: expected a metric of one completion, got {metric.key}")
    return metric, name if point else metric.primary


def _value_of(metric: NamedMetric, name: str, record: dict[str, Any]) -> float | None:
    sums = metric.sums(check_generation(record, THINK))
    values = metric.row_values(sums) if sums else {}
    if values and name not in values:
        raise UserError(f"--keep: {metric.key} has no value {name!r}. Known: {', '.join(values)}")
    return values.get(name)


def _number_in(record: dict[str, Any], name: str) -> float | None:
    """A number in a field, which can be inside others: `verification.supported`."""
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            raise UserError(f"--keep: {name!r} is neither a value of a metric nor a field of the rows")
        value = value[part]
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise UserError(f"--keep: {name}: expected a number, got {shown(value)}")
    return value


def _same_prompt(located: LocatedRecord) -> Any:
    record = located[1]
    name = None if isinstance(record, FieldError) else record.get("id")
    return located[0] if name is None or isinstance(name, (dict, list)) else name
