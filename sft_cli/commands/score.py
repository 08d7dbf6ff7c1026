"""`sft score`: generations in, one line of metrics per row out, and a summary with confidence intervals."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any

from sft_cli.harness.settings import HarnessFlags, check_flags
from sft_cli.metrics import METRICS
from sft_cli.metrics.answers import THINK, read_marks
from sft_cli.metrics.protocol import NamedMetric, read_metric
from sft_cli.metrics.tokenizers import TOKENIZERS
from sft_cli.metrics.totals import missing_of
from sft_cli.report.table import text_table
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows
from sft_cli.run.process import collect_rarely, multiply_alone
from sft_cli.run.text import counted, one_line

MOST_GROUPS_SHOWN = 20
WARNINGS = {
    "text_lost": "lose letters or digits to this tokenizer; use --tokenizer mixed",
    "other_script": "are in another script than the first; score each language alone, or give bleu:tokenize=…",
    "no_answer": "have no answer that extract could find, and count as wrong",
    "one_order": "are pairs that the judge saw in one order only, so that the place of an answer counts",
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
            "repeat for several; options after a colon, joined by commas (rouge-s:gap=none,stem=porter): "
            f"{', '.join(METRICS)}",
            metavar="NAME[:KEY=V]",
        ),
    ] = field(default_factory=lambda: ["exact-match", "token-f1", "rouge-l"])
    by: Annotated[str, Flag("also summarise the rows of each value of this field", metavar="FIELD")] = "task"
    tokenizer: Annotated[
        str,
        Flag(
            "how text becomes tokens: auto is mixed, which suits any script; rouge155 is for English only",
            choices=("auto", *TOKENIZERS),
        ),
    ] = "auto"
    reasoning: Annotated[
        str,
        Flag(
            "the marks around thoughts, which are not read as answers; none reads all of a completion",
            metavar="OPEN...CLOSE",
        ),
    ] = str(THINK)
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
    Rows whose generation failed count as wrong, and so do those whose thought never ended. Rows without a reference
    are left out by metrics that need one, and counted; if no row counts for any metric, that is an error. With
    --harness TASKS --model MODEL --data DIR the rows are those of lm-evaluation-harness, run offline.
    """
    from sft_cli.commands.score_checks import check_scored
    from sft_cli.commands.scoreboard import Scoreboard, Scorer, first_rows
    from sft_cli.run.jsonl import read_lines

    check_flags(settings)
    multiply_alone()
    collect_rarely()
    if settings.generations == "-" and sys.stdin.isatty():
        raise UserError("GENERATIONS: nothing on stdin\nhint: sft score generations.jsonl")
    named = asked_metrics(settings)
    summary_path = settings.summary or (f"{settings.out}.summary.json" if settings.out != "-" else None)
    if summary_path:
        run.check_output(summary_path)
    measured = None
    if settings.harness is not None:
        from sft_cli.harness.run import run_harness

        run.check_output()
        measured = run_harness(settings, run)
        named = measured.named
    shown_path = "<stdin>" if settings.generations == "-" else settings.generations
    draws = settings.draws if summary_path or not settings.quiet else 0
    scorer = Scorer(named, settings.by, draws, settings.seed, shown_path, read_marks(settings.reasoning))
    is_streaming = settings.generations == "-" and settings.out == "-"
    with run.publishing():
        with run.output() as sink, run.ledger() as ledger:
            board = Scoreboard(scorer, ledger)
            if measured:
                texts = board.score_rows(measured.rows)
            else:
                lines = first_rows(read_lines(settings.generations), settings.limit)
                texts = board.score(lines, alone=is_streaming)
            for text in texts:
                sink.write(text)
                if settings.out == "-":
                    sink.flush()  # the next command in the pipe sees each row at once
            summary = {**board.summary(), **({"rejected": ledger.rejected} if ledger.rejected else {})}
            if not ledger.rejected or settings.on_error == "skip":  # otherwise the bad rows are what to tell
                for text in check_scored(shown_path, summary, named, board.tally.fields):
                    run.warn(text)
        run.record["rows"] = summary["rows"]
        if measured:
            summary["harness"] = measured.summary
        if summary_path:
            with run.output(summary_path, has_manifest=False) as sink:
                sink.write(json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    if not settings.quiet:
        run.say(shown_summary(summary).rstrip("\n"))


def asked_metrics(settings: ScoreSettings) -> list[NamedMetric]:
    """The metrics of --metric, each with the tokenizer of --tokenizer; raises UserError for one that comes twice."""
    options = {} if settings.tokenizer == "auto" else {"tokenizer": settings.tokenizer}
    marks = "" if settings.reasoning == str(THINK) else str(read_marks(settings.reasoning) or "none")
    found = (read_metric(text, **options) for text in settings.metric)
    # Signatures are parted by bars.
    named = [dataclasses.replace(metric, reasoning=marks.replace("|", "¦")) for metric in found]
    keys = [metric.key for metric in named]
    if len(set(keys)) < len(keys):
        raise UserError(f"--metric: {max(keys, key=keys.count)} is given twice")
    return named


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
    if summary["thoughts"]:
        text += f", {summary['thoughts']:,} with thoughts, which are not read ({summary['reasoning']})"
    if summary["unanswered"]:
        text += f", {summary['unanswered']:,} of them without an end (counted as wrong)"
    if summary.get("rejected"):
        text += f", {summary['rejected']:,} bad rows left out"
    return text + "\n" + "".join(f"{line}\n" for line in [*_why_no_interval(summary), *_warnings(summary), *signatures])


def _why_no_interval(summary: dict[str, Any]) -> list[str]:
    parts = [summary, *summary["groups"].values()]
    reasons = [
        metric["no_interval"] for part in parts for metric in part["metrics"].values() if metric["value"] is not None
    ]
    found = list(dict.fromkeys(reason for reason in reasons if reason))
    return [f"interval -: {', or '.join(found)}"] if found else []


def _summary_line(metric: dict[str, Any], group: str) -> list[str]:
    interval = metric["interval"]
    shown = f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "-"
    value = "-" if metric["value"] is None else f"{metric['value']:.4f}"
    return [metric["primary"], group, value, shown, f"{metric['n']:,}", missing_of(metric)]


def _warnings(summary: dict[str, Any]) -> list[str]:
    lines = []
    if again := summary.get("repeated"):
        lines.append(
            f"warning: {counted(again['rows'], 'row')} with the id and sample of a row before (line {again['line']}: "
            f"those of line {again['first_line']}); sft compare does not take such files"
        )
    if summary["rows"] and summary["errors"] == summary["rows"]:
        lines.append("warning: no row has a completion; is this what sft generate wrote?")
    for key, metric in summary["metrics"].items():
        for what, meaning in WARNINGS.items():
            if metric.get(what):
                lines.append(f"warning: {key}: {metric[what]:,} rows {meaning}")
    return lines
