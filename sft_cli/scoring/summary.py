"""The summary of `sft score` as text: a table, what is missing, what to mind, the signatures."""

from __future__ import annotations

from typing import Any

from sft_cli.metrics.supported_claims import SupportedClaims
from sft_cli.report.table import text_table
from sft_cli.run.text import counted, one_line
from sft_cli.scoring.totals import missing_of

MOST_GROUPS_SHOWN = 20
WARNINGS = {
    "text_lost": "with letters or digits that this tokenizer removes; use --tokenizer mixed",
    "other_script": "in another writing system than the first row; score each language alone, or set bleu:tokenize=…",
    "no_answer": "without an answer that `extract` can find, counted as wrong",
    "short_ranking": "with fewer ranked ids than k: more could raise the score; retrieve more passages, or lower k",
    "one_order": "with a pair that the judge saw in one order only, so the order can influence the verdict",
    "answer_not_a_choice": "with an answer that is not one of the choices (counted as wrong)",
}


def shown_summary(summary: dict[str, Any]) -> str:
    """The summary as a table, the missing rows, and the signatures."""
    groups = summary["groups"] if len(summary["groups"]) > 1 else {}
    rows: list[list[str]] = []
    signatures: list[str] = []
    for key, overall in summary["metrics"].items():
        rows.append(_summary_line(overall, "all"))
        for name in list(groups)[:MOST_GROUPS_SHOWN]:
            rows.append(_summary_line(groups[name]["metrics"][key], one_line(name)))
        signatures.append(overall["signature"])
    header = ["metric", summary["by"], "value", "95% interval", "n", "not scored"]
    text = text_table(header, rows, "<<>>>>")
    if len(groups) > MOST_GROUPS_SHOWN:
        text += f"… {len(groups) - MOST_GROUPS_SHOWN} more values of {summary['by']} in the JSON summary\n"
    text += f"{summary['rows']:,} rows"
    if summary["errors"]:
        text += f", {summary['errors']:,} without a completion ({_meaning_of_failures(summary)})"
    if summary["truncated"]:
        text += f", {summary['truncated']:,} cut at the token limit"
    if summary["thoughts"]:
        text += f", {summary['thoughts']:,} with thoughts, which are not read ({summary['reasoning']})"
    if summary["unanswered"]:
        text += f", {summary['unanswered']:,} of them without an end (counted as wrong)"
    if summary.get("rejected"):
        text += f", {summary['rejected']:,} bad rows left out"
    lines = [*_why_no_interval(summary), *_counts(summary), *_warnings(summary), *signatures]
    return text + "\n" + "".join(f"{line}\n" for line in lines)


def _counts(summary: dict[str, Any]) -> list[str]:
    """For each metric that counts several things: how many completions have each."""
    return [
        f"{key}: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in metric["counts"].items())
        for key, metric in summary["metrics"].items()
        if metric.get("counts")
    ]


def _meaning_of_failures(summary: dict[str, Any]) -> str:
    """How metrics read a row without a completion: supported-claims counts claims, and such a row has none."""
    is_of_claims = [key.partition(":")[0] == SupportedClaims.name for key in summary["metrics"]]
    if all(is_of_claims):
        return "left out: no claims"
    return (
        f"left out by {SupportedClaims.name}, counted as wrong by the other metrics"
        if any(is_of_claims)
        else "counted as wrong"
    )


def _why_no_interval(summary: dict[str, Any]) -> list[str]:
    parts = [summary, *summary["groups"].values()]
    reasons = [
        metric["no_interval"] for part in parts for metric in part["metrics"].values() if metric["value"] is not None
    ]
    unique_reasons = list(dict.fromkeys(reason for reason in reasons if reason))
    return [f"interval -: {', or '.join(unique_reasons)}"] if unique_reasons else []


def _summary_line(metric: dict[str, Any], group: str) -> list[str]:
    interval = metric["interval"]
    shown = f"[{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "-"
    value = "-" if metric["value"] is None else f"{metric['value']:.4f}"
    return [metric["primary"], group, value, shown, f"{metric['n']:,}", missing_of(metric)]


def _warnings(summary: dict[str, Any]) -> list[str]:
    lines = []
    if again := summary.get("repeated"):
        lines.append(
            f"warning: {counted(again['rows'], 'row')} with the id and sample of an earlier row (line {again['line']}: "
            f"same as line {again['first_line']}); sft compare refuses such files"
        )
    if summary["rows"] and summary["errors"] == summary["rows"]:
        lines.append("warning: no row has a completion; expected a file that sft generate wrote")
    for key, metric in summary["metrics"].items():
        for what, meaning in WARNINGS.items():
            if metric.get(what):
                lines.append(f"warning: {key}: {counted(metric[what], 'row')} {meaning}")
    return lines
