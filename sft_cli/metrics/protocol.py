"""The parts of a metric, and how to make a metric from `name:option=value`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from sft_cli import __version__
from sft_cli.metrics import METRICS
from sft_cli.metrics.extract import EXTRACTORS, JSON_RULE
from sft_cli.run.options import read_with_options

Sums = dict[str, float]
# The part of a row that a metric reads: the `answer` (the row's `prediction`, or the text without thoughts), the
# `text` without thoughts, `all` of the row, or only the ranking in `context`, which needs no completion.
PartRead = Literal["answer", "text", "all", "context"]


def extract_option() -> Any:
    """The option `extract`, for metrics that can find an answer in a completion themselves."""
    return dataclasses.field(default="auto", metadata={"known": ("auto", *EXTRACTORS, JSON_RULE)})


class Metric(Protocol):
    """A metric: a dataclass whose fields are its options. The docstring of the package describes each part."""

    name: ClassVar[str]
    primary: ClassVar[str]
    primary_sums: ClassVar[tuple[str, ...]]
    higher_is_better: ClassVar[bool] = True
    opposite: ClassVar[tuple[str, ...]] = ()  # how the names of values begin whose better direction is the other one
    largest: ClassVar[float | None] = 1.0  # values are from 0 to this; None: no upper bound
    elementwise: ClassVar[bool] = True  # values() takes arrays of sums, one entry per resample, as well as numbers
    reads: ClassVar[PartRead] = "answer"
    missing: ClassVar[str] = "no_reference"  # the reason why a row has no sums, as in the summary
    counted: ClassVar[tuple[str, ...]] = ()  # sums that the summary shows as counts
    of_samples: ClassVar[bool] = False  # whether the sums are of all samples of a prompt together
    of_file: ClassVar[bool] = False  # whether the sums of a row depend on all rows, which `survey` gets first

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The row's additive sums, or None if the metric does not apply to it."""
        return None

    def survey(self, row: Mapping[str, Any]) -> None:
        """Take notice of a row, for a metric `of_file`: all rows of the file come here before the first `sums`."""
        return

    def files(self) -> list[str]:
        """The files that the options name."""
        return []

    @property
    def is_settled(self) -> bool:
        """Whether the way of scoring is now fixed, so that later rows cannot change it."""
        return True

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The additive sums of one prompt's samples, for a metric `of_samples`; None if it does not apply to them."""
        return None

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Named values of added sums."""
        ...

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The values to write beside one row."""
        return self.values(sums)

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The values that only the summary shows, such as the scores of each class."""
        return {}

    def signature_parts(self) -> dict[str, str]:
        """The parts that must be equal before two values may be compared, except the version."""
        return {}

    def file_parts(self, sums: Mapping[str, float]) -> dict[str, str]:
        """The parts of a file's signature about its rows, except their number."""
        return {}


@dataclass(frozen=True)
class NamedMetric:
    """A metric with its name and options: `rouge-l:beta=1.2` has the values `rouge_l.f:beta=1.2`, …"""

    key: str
    metric: Metric
    reasoning: str = ""  # the marks of thoughts, if they are not the default

    @property
    def takes_prediction(self) -> bool:
        """Whether it reads the `prediction` of a row, if there is one: not if an option names another way to read."""
        return self.metric.reads == "answer" and getattr(self.metric, "extract", "auto") == "auto"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The metric's sums of a row, with `predicted` if it read the row's `prediction`."""
        return self._told(self.metric.sums(row), row)

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The metric's sums of the samples of a prompt, with `predicted` if it read their `prediction`."""
        return self._told(self.metric.sample_sums(rows), rows[0])

    def _told(self, sums: Sums | None, row: Mapping[str, Any]) -> Sums | None:
        is_predicted = sums and sums.get("count") and "prediction" in row and self.takes_prediction
        return {**sums, "predicted": 1} if sums and is_predicted else sums

    @property
    def suffix(self) -> str:
        """`:beta=1.2`, or nothing."""
        _, colon, options = self.key.partition(":")
        return colon + options

    @property
    def primary(self) -> str:
        """Full name of the primary value."""
        return self.metric.primary + self.suffix

    def is_better_higher(self, value: str) -> bool:
        """Whether a value of this full name is better if it is higher."""
        return self.metric.higher_is_better != value.startswith(self.metric.opposite)

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The metric's values under their full names."""
        return {name + self.suffix: value for name, value in self.metric.values(sums).items()}

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """One row's values under their full names; none for a row that does not count."""
        if not sums.get("count"):
            return {}
        values, suffix = self.metric.row_values(sums), self.suffix
        return {name + suffix: value for name, value in values.items()} if suffix else values

    def signature(self, sums: Mapping[str, float] | None = None, of_file: bool = True) -> str:
        """As in sacrebleu: `rouge-l|n:200|tok:mixed|beta:1|ref:max|v:0.1.0`.

        Without the sums of a file, for one row.
        """
        size = {}
        if sums is not None and of_file:
            size = {"n": str(int(sums.get("count", 0))), **self.metric.file_parts(sums)}
        parts = {**size, **self._reading(sums or {}), **self.metric.signature_parts(), "v": __version__}
        return "|".join([self.metric.name, *(f"{name}:{value}" for name, value in parts.items())])

    def _reading(self, sums: Mapping[str, float]) -> dict[str, str]:
        """The part of a generation that was read, if it is not the default."""
        predicted = sums.get("predicted", 0)
        parts = {"answer": "prediction" if predicted == sums.get("count") else "mixed"} if predicted else {}
        reads_text = self.metric.reads in ("answer", "text")
        return {**parts, **({"reasoning": self.reasoning} if self.reasoning and reads_text else {})}

    def statistic(self, sum_names: Sequence[str], value: str | None = None) -> Callable[[Any], Any]:
        """A function from added sums, an array (resamples, len(sum_names)), to a value (default: the primary) of each.

        Resamples in which no row counts give NaN.
        """
        wanted = value or self.primary

        def compute(totals: Any) -> Any:
            import numpy

            if self.metric.elementwise:
                values = numpy.asarray(self.values({name: totals[:, i] for i, name in enumerate(sum_names)})[wanted])
            else:
                rows = (dict(zip(sum_names, row, strict=True)) for row in totals.tolist())
                values = numpy.array([self.values(row)[wanted] if row["count"] else numpy.nan for row in rows])
            return numpy.where(totals[:, list(sum_names).index("count")] > 0, values, numpy.nan)

        return compute


def needs_completions(named: Sequence[NamedMetric]) -> bool:
    """Whether some metric reads completions: not if all of them read only the ranking in `context`."""
    return any(metric.metric.reads != "context" for metric in named)


def read_metric(text: str, flag: str = "--metric", **defaults: str) -> NamedMetric:
    """The metric for the text `name` or `name:option=value,…` of the flag `flag`.

    `defaults` are options for metrics that have them; the text overrides them. Raises UserError for an unknown name,
    option or value, and for options joined by a second colon.
    """
    return NamedMetric(*read_with_options(text, METRICS, flag, defaults))
