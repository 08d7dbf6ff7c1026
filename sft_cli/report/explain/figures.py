"""The figures that make rules fire: a sentence with its numbers, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sft_cli.metrics.protocol import read_metric
from sft_cli.report.comparison_text import shown_p
from sft_cli.report.explain.explanation import Explanation
from sft_cli.report.explain.form import ANSWER_FORMS
from sft_cli.report.explain.groups import CauseGroup
from sft_cli.report.generation_settings import settings_of
from sft_cli.report.settings import NO_GROUPS
from sft_cli.report.verdict import TOO_LITTLE, verdict_of
from sft_cli.run.text import counted, one_line

LEAST_COPIES = 0.01  # share of the training rows
LEAST_OVER_CONFIDENCE = 0.1
CALIBRATION = "calibration"
DEFAULT_TOKENS = 256  # of sft generate


@dataclass(frozen=True, eq=False)
class Reason:
    """A sentence with the figure, and the group that it is of."""

    text: str
    group: CauseGroup | None = None


def group_figure(group: CauseGroup) -> Reason:
    """`cut at the token limit: 40 of 44 rows became worse, 8 of 156 of the rest; p <0.0001`."""
    text = (
        f"{one_line(group.name, 60)}: {group.broken:,} of {counted(group.rows, 'row')} became worse, "
        f"{group.rest_broken:,} of {group.rest_rows:,} of the rest; p {shown_p(group.p_holm or 0.0)}"
    )
    return Reason(text, group)


def first_group(explanation: Explanation, cause: str) -> CauseGroup | None:
    """The group of a cause that explains most, if no other group explains it."""
    return next((group for group in explanation.own if group.cause == cause), None)


def broken_group(cause: str) -> Callable[[Explanation], Reason | None]:
    """The figure of the first group of a cause."""

    def figure(explanation: Explanation) -> Reason | None:
        group = first_group(explanation, cause)
        return group_figure(group) if group else None

    return figure


def lost_task(explanation: Explanation) -> Reason | None:
    """The figure of the task that was lost most; other fields of --by are no tasks."""
    group = first_group(explanation, "by") if explanation.rows.by == "task" else None
    return group_figure(group) if group else None


def wrong_form(is_json: bool) -> Callable[[Explanation], Reason | None]:
    """The figure of answers that are not JSON, or that have not another form."""

    def figure(explanation: Explanation) -> Reason | None:
        groups = (each for each in explanation.own if each.cause == "format")
        group = next((each for each in groups if (each.name == ANSWER_FORMS["JSON"]) == is_json), None)
        return group_figure(group) if group else None

    return figure


def copies(explanation: Explanation) -> Reason | None:
    """The training rows that are copies, if the answers loop."""
    known = explanation.rows.trained
    if known is None or known.copies < LEAST_COPIES * known.rows or not first_group(explanation, "loop"):
        return None
    return Reason(f"{known.copies:,} of {counted(known.rows, 'training row')} have the prompt of an earlier one")


def leaked_rows(explanation: Explanation) -> Reason | None:
    """The test rows that are training rows."""
    group = next((each for each in explanation.groups if each.cause == "trained"), None)
    if group is None or not group.rows:
        return None
    return Reason(
        f"{group.rows:,} of {counted(group.rows + group.rest_rows, 'test row')} are also training rows", group
    )


def calibration_of(explanation: Explanation) -> str | None:
    """The metric calibration of the other file, with its options; None if it was not scored."""
    file = explanation.rows.pairs.files[explanation.rows.side]
    return next((key for key in file.metrics if key.partition(":")[0] == CALIBRATION), None)


def unjudged(explanation: Explanation, needs: str) -> str | None:
    """The reason why a rule cannot fire: what it needs is not known."""
    if needs == CALIBRATION:
        return None if calibration_of(explanation) else "no metric calibration in the scores"
    if needs == "by" and explanation.rows.by not in ("task", NO_GROUPS):
        return f"--by {explanation.rows.by}"
    return explanation.missing.get(needs)


def tokens_to_try(explanation: Explanation) -> int:
    """Twice the token limit of the answers, if their manifest tells it; otherwise four times the default."""
    known = settings_of(explanation.rows.pairs.files[explanation.rows.side])
    limit = (known or {}).get("max_new_tokens")
    return 2 * limit if isinstance(limit, int) and limit > 0 else 4 * DEFAULT_TOKENS


def over_confidence(explanation: Explanation) -> Reason | None:
    """The mean confidence and the share of right answers of the other file."""
    rows, key = explanation.rows, calibration_of(explanation)
    file = rows.pairs.files[rows.side]
    if key is None:
        return None
    columns = file.sums[key]
    total = columns.table(columns.names, len(file.rows))[rows.pairs.rows[rows.side]].sum(axis=0).tolist()
    values = read_metric(key).values(dict(zip(columns.names, total, strict=True)))
    confidence, right = (_named_value(values, f"calibration.{part}") for part in ("confidence", "accuracy"))
    if confidence is None or right is None or not confidence - right >= LEAST_OVER_CONFIDENCE:
        return None
    return Reason(f"mean confidence {confidence:.4f}, share of right answers {right:.4f}")


def _named_value(values: dict[str, float], name: str) -> float | None:
    """A value by its name, which can have the options of the metric after it."""
    return next((value for key, value in values.items() if key.partition(":")[0] == name), None)


def too_little(explanation: Explanation) -> Reason | None:
    """The rows that are needed, if the verdict is too little data."""
    comparison = explanation.rows.comparison
    verdict = verdict_of(comparison)
    if verdict.word != TOO_LITTLE:
        return None
    needed = [
        f"{counted(number, 'row')} to {purpose}"
        for number, purpose in (
            (verdict.needed_for_difference, f"detect {comparison.difference:+.4f}"),
            (verdict.needed_for_margin, f"exclude {comparison.margin:.4g}"),
        )
        if number
    ]
    known = ", ".join(needed) or verdict.reason or "no number of rows is known"
    return Reason(f"{counted(comparison.n, 'row')}; {known}")
