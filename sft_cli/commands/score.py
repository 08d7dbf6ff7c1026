"""`sft score`: generations in, one line of metrics per row out, and a summary with confidence intervals."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

from sft_cli.harness.settings import HarnessFlags, check_flags
from sft_cli.metrics import METRICS
from sft_cli.metrics.generations import check_generation
from sft_cli.metrics.protocol import NamedMetric, Sums, read_metric
from sft_cli.metrics.totals import Totals
from sft_cli.report.statistics import StreamedBootstrap
from sft_cli.report.table import one_line, text_table
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.flags import Common, Flag, ReadsRows
from sft_cli.run.jsonl import read_jsonl, write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.output import open_output, refuse_existing

CONFIDENCE = 0.95
MOST_GROUPS_WITH_INTERVALS = 100
MOST_GROUPS_SHOWN = 20
MISSING = ("no_reference", "no_logprobs", "no_completion", "no_instructions", "too_short", "too_long", "not_measured")
WARNINGS = {
    "text_lost": "lose most of their text to this tokenizer; use --tokenizer mixed",
    "other_script": "are in another script than the first; score each language alone, or give bleu:tokenize=…",
    "answer_not_a_choice": "have an answer that is none of their choices, so they cannot be right",
}


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(Common, ReadsRows, HarnessFlags):
    """Flags of `sft score`."""

    generations: Annotated[
        str, Flag("what sft generate wrote; - is stdin", positional=True, reads=True, metavar="GENERATIONS")
    ] = "-"
    metric: Annotated[
        list[str],
        Flag(
            f"repeat for several, options after a colon (rouge-l:beta=1.2): {', '.join(METRICS)}",
            metavar="NAME[:KEY=V]",
        ),
    ] = field(default_factory=lambda: ["exact-match", "token-f1", "rouge-l"])
    by: Annotated[str, Flag("also summarise the rows of each value of this field", metavar="FIELD")] = "task"
    tokenizer: Annotated[
        str,
        Flag(
            "for rouge, token-f1 and repetition: auto is mixed, which suits any script; rouge155 is for English only",
            choices=("auto", "mixed", "char", "rouge155"),
        ),
    ] = "auto"
    summary: Annotated[
        str | None, Flag("write the summary as JSON here [default: OUT.summary.json]", metavar="FILE", neutral=True)
    ] = None
    draws: Annotated[int, Flag("bootstrap resamples for the 95 % intervals; 0 for none", minimum=0, metavar="N")] = 1000
    seed: Annotated[int, Flag("seed of the bootstrap", minimum=0, metavar="N")] = 0

    def __post_init__(self) -> None:
        if self.harness is not None and self.generations == "-":  # stdin is no input then
            object.__setattr__(self, "generations", "")


def score(settings: ScoreSettings, run: Run) -> None:
    """Score generations: one line of metrics per row, and a summary.

    Example: sft score out/a.gen.jsonl --metric exact-match --metric rouge-l -o out/a.scores.jsonl

    Each output row has the row's `metrics` and, as `stats`, the sums they come from; sft compare resamples those.
    The summary goes to stderr as a table and to OUT.summary.json, with an interval and a signature per metric.
    Rows whose generation failed count as wrong. Rows without a reference are left out by metrics that need one, and
    counted. With --harness TASKS --model MODEL --data DIR the rows are those of lm-evaluation-harness, run offline.
    """
    check_flags(settings)
    if settings.generations == "-" and sys.stdin.isatty():
        raise UserError("GENERATIONS: nothing on stdin\nhint: sft score generations.jsonl")
    named = asked_metrics(settings)
    summary_path = settings.summary or (f"{settings.out}.summary.json" if settings.out != "-" else None)
    if summary_path:
        refuse_existing(summary_path, run.replaces)
    measured = None
    if settings.harness is not None:
        from sft_cli.harness.run import run_harness

        refuse_existing(settings.out, run.replaces)
        measured = run_harness(settings, run)
        named = measured.named
    board = Scoreboard(named, settings, has_intervals=bool(summary_path) or not settings.quiet)
    with run.output() as sink, run.ledger() as ledger:
        for where, row in measured.rows if measured else read_generations(settings, ledger):
            try:
                line = board.add(row)
            except FieldError as error:  # a field that one metric alone reads
                ledger.reject(where, error, row)
                continue
            write_row(sink, line)
            if settings.out == "-":
                sink.flush()  # the next command in the pipe sees each row at once
    run.record["rows"] = board.counts["rows"]
    summary = {**board.summary(), **({"rejected": ledger.rejected} if ledger.rejected else {})}
    if measured:
        summary["harness"] = measured.summary
    if summary_path:
        with open_output(summary_path) as sink:
            sink.write(json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    if not settings.quiet:
        run.say(shown_summary(summary).rstrip("\n"))


def asked_metrics(settings: ScoreSettings) -> list[NamedMetric]:
    """The metrics of --metric, each with the tokenizer of --tokenizer; raises UserError for one that comes twice."""
    options = {} if settings.tokenizer == "auto" else {"tokenizer": settings.tokenizer}
    named = [read_metric(text, **options) for text in settings.metric]
    keys = [metric.key for metric in named]
    if len(set(keys)) < len(keys):
        raise UserError(f"--metric: {max(keys, key=keys.count)} is given twice")
    return named


def read_generations(settings: ScoreSettings, ledger: Ledger) -> Iterator[tuple[str, dict[str, Any]]]:
    """The checked rows of the input, each with its `file:line`; bad ones go to the ledger."""
    path = "<stdin>" if settings.generations == "-" else settings.generations
    for number, row in islice(read_jsonl(settings.generations), settings.limit):
        try:
            if isinstance(row, FieldError):
                raise row
            checked = check_generation(row)
        except FieldError as error:
            ledger.reject(f"{path}:{number}", error, None if isinstance(row, FieldError) else row)
        else:
            yield f"{path}:{number}", checked


class Scoreboard:
    """Scores rows one by one and keeps what the summary needs: sums, counts and bootstrap draws."""

    def __init__(self, named: list[NamedMetric], settings: ScoreSettings, has_intervals: bool) -> None:
        self.named, self.by = named, settings.by
        self.counts: Counter[str] = Counter(rows=0, errors=0, truncated=0)
        self.overall = {metric.key: Totals(metric) for metric in named}
        self.groups: dict[str, dict[str, Totals]] = {}
        self.group_counts: dict[str, Counter[str]] = {}
        wants_intervals = has_intervals and settings.draws > 0
        self.bootstrap = StreamedBootstrap(settings.draws, settings.seed) if wants_intervals else None

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Score one row and give the line to write; raises FieldError, and counts nothing, for a bad row."""
        sums = {metric.key: metric.metric.sums(row) for metric in self.named}
        failed = row["completion"] is None
        counts = {"rows": 1, "errors": int(failed), "truncated": int(row.get("finish_reason") == "length")}
        self.counts.update(counts)
        group = row.get(self.by)
        if group is not None:
            group = group if isinstance(group, str) else json.dumps(group, ensure_ascii=False)
            if group not in self.groups:
                self.groups[group] = {metric.key: Totals(metric) for metric in self.named}
                self.group_counts[group] = Counter(rows=0, errors=0, truncated=0)
            self.group_counts[group].update(counts)
        for key, found in sums.items():
            self.overall[key].add(found)
            if group is not None:
                self.groups[group][key].add(found)
        if self.bootstrap:
            self.bootstrap.add(row["id"], self._parts(sums, group))
        line: dict[str, Any] = {"id": row["id"], "sample": row["sample"], "task": row.get("task")}
        if self.by != "task":
            line[self.by] = row.get(self.by)
        if failed:
            line["finish_reason"] = "error"
        values: dict[str, float] = {}
        for metric in self.named:
            values |= metric.row_values(sums[metric.key] or {})
        stats = {key: found for key, found in sums.items() if found is not None}
        signatures = {metric.key: metric.signature() for metric in self.named if metric.key in stats}
        return {**line, "metrics": values, "stats": stats, "signatures": signatures}

    def _parts(self, sums: dict[str, Sums | None], group: str | None) -> list[tuple[Any, list[float]]]:
        has_group = group is not None and len(self.groups) <= MOST_GROUPS_WITH_INTERVALS
        parts: list[tuple[Any, list[float]]] = []
        for metric in self.named:
            found = sums[metric.key]
            if found is not None:
                vector = [found.get(name, 0) for name in metric.metric.primary_sums]
                parts.append(((None, metric.key), vector))
                if has_group:
                    parts.append(((group, metric.key), vector))
        return parts

    def summary(self) -> dict[str, Any]:
        """The whole summary, ready for JSON."""
        groups = {
            name: {**self.group_counts[name], "metrics": self._metrics(totals, name)}
            for name, totals in sorted(self.groups.items())
        }
        return {
            "schema": 1,
            **self.counts,
            "confidence": CONFIDENCE,
            "draws": self.bootstrap.draws if self.bootstrap else 0,
            "metrics": self._metrics(self.overall, None),
            "by": self.by,
            "groups": groups,
        }

    def _metrics(self, totals: dict[str, Totals], group: str | None) -> dict[str, Any]:
        return {key: total.summary(self._interval(group, total)) for key, total in totals.items()}

    def _interval(self, group: str | None, total: Totals) -> tuple[float, float] | None:
        too_many = group is not None and len(self.groups) > MOST_GROUPS_WITH_INTERVALS
        if self.bootstrap is None or too_many or not total.count:
            return None
        statistic = total.named.statistic(total.named.metric.primary_sums)
        return self.bootstrap.interval((group, total.named.key), statistic, CONFIDENCE)


def shown_summary(summary: dict[str, Any]) -> str:
    """The summary as a table, what is missing, and the signatures."""
    groups = summary["groups"] if len(summary["groups"]) > 1 else {}
    lines, signatures = [], []
    for key, overall in summary["metrics"].items():
        lines.append(_summary_line(overall, "all"))
        for name in list(groups)[:MOST_GROUPS_SHOWN]:
            lines.append(_summary_line(groups[name]["metrics"][key], one_line(name)))
        signatures.append(overall["signature"])
    header = ["metric", summary["by"], "value", "95% interval", "n", "not scored"]
    text = text_table(header, lines, "<<>>>>")
    if len(groups) > MOST_GROUPS_SHOWN:
        text += f"… {len(groups) - MOST_GROUPS_SHOWN} more values of {summary['by']} in the JSON summary\n"
    text += f"{summary['rows']:,} rows"
    if summary["errors"]:
        text += f", {summary['errors']:,} without a completion (counted as wrong)"
    if summary["truncated"]:
        text += f", {summary['truncated']:,} cut at the token limit"
    if summary.get("rejected"):
        text += f", {summary['rejected']:,} bad rows left out"
    return text + "\n" + "".join(f"{line}\n" for line in [*_warnings(summary), *signatures])


def _summary_line(metric: dict[str, Any], group: str) -> list[str]:
    interval = metric["interval"]
    shown = f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "-"
    missing = [f"{metric[what]:,} {what.replace('_', ' ')}" for what in MISSING if metric.get(what)]
    value = "-" if metric["value"] is None else f"{metric['value']:.4f}"
    return [metric["primary"], group, value, shown, f"{metric['n']:,}", ", ".join(missing)]


def _warnings(summary: dict[str, Any]) -> list[str]:
    lines = []
    if summary["rows"] and summary["errors"] == summary["rows"]:
        lines.append("warning: no row has a completion; is this what sft generate wrote?")
    for key, metric in summary["metrics"].items():
        for what, meaning in WARNINGS.items():
            if metric.get(what):
                lines.append(f"warning: {key}: {metric[what]:,} rows {meaning}")
    return lines
