"""Scores without content: no rows, a metric that applies to no row, groups by a field that no row has."""

from __future__ import annotations

from typing import Any

from sft_cli.metrics.protocol import NamedMetric
from sft_cli.run.errors import UserError
from sft_cli.run.registry import near_name
from sft_cli.scoring.totals import missing_of

CURES = {
    "no_reference": "rows need the field `references` or `answer`; sft prep --eval moves the last turn to `references`",
    "no_number": "rows need a number in the field `references` or `answer`",
    "other_task": "the field `task` must name a task of the benchmark; sft prep --benchmark writes it",
    "no_logprobs": "sft generate writes them with --logprobs (perplexity), --echo-logprobs (perplexity:of=text), "
    "--choices (choice-accuracy, calibration) or --completion-logprobs (calibration, entropy)",
    "no_context": "groundedness:context=FIELD names the field of the passages",
    "no_gold": "rows need the field `gold`: a list of the ids of relevant passages, or an object of ids and grades",
    "not_verified": "sft verify writes the verdicts on the claims of each row",
    "no_instructions": "rows need IFEval's instruction_id_list and kwargs",
    "no_tool_calls": "rows need `references` with tool calls; sft prep --eval moves a last turn with tool calls there",
    "one_sample": "sft generate --samples 5 --temperature 0.7 writes several samples for each prompt",
    "not_judged": "expected the answers of a judge to rows of sft prep --judge",
    "no_completion": "expected a file that sft generate wrote",
}


def check_scored(path: str, summary: dict[str, Any], named: list[NamedMetric], fields: list[str]) -> list[str]:
    """The warnings; raises UserError if the summary has no result, because a build would continue with it.

    `fields` are the keys of a row, for a suggestion for --by.
    """
    rows = summary["rows"]
    if not rows:
        reason = "every row is bad" if summary.get("rejected") else "the input is empty"
        raise UserError(f"{path}: no rows to score; {reason}")
    silent = [metric for metric in named if not summary["metrics"][metric.key]["n"]]
    told = [f"--metric {metric.key}: {_why(metric, summary)}" for metric in silent]
    if silent and len(silent) == len(named):
        cures = dict.fromkeys(_missing_hint(metric, summary) for metric in silent)
        raise UserError("\n".join([f"{path}: {told[0]}", *told[1:], *filter(None, cures)]))
    by = summary["by"]
    warnings = []
    if by != "task" and not summary["groups"]:  # the default: rows need not have tasks
        warnings.append(f"--by: no row has the field {by!r}; the summary has no groups.{near_name(by, fields)}")
    return warnings + [
        "\n".join(filter(None, [text, _missing_hint(metric, summary)]))
        for text, metric in zip(told, silent, strict=True)
    ]


def _why(metric: NamedMetric, summary: dict[str, Any]) -> str:
    left_out = missing_of(summary["metrics"][metric.key]) or metric.metric.missing.replace("_", " ")
    return f"no row counts ({left_out})"


def _missing_hint(metric: NamedMetric, summary: dict[str, Any]) -> str:
    missing = metric.metric.missing
    lacks_all = summary["metrics"][metric.key].get(missing) == summary["rows"]  # not if rows are too short, or unread
    return f"hint: {CURES[missing]}" if lacks_all and missing in CURES else ""
