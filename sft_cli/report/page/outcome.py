"""The verdicts at the top of the page, and in one line."""

from __future__ import annotations

from typing import Any

from sft_cli.report.comparison import Comparison
from sft_cli.report.verdict import verdict_of
from sft_cli.run.text import one_line


def verdict_line(entries: list[dict[str, Any]]) -> str:
    """All verdicts in one line: `plain no difference shown (worse in old), replay better`."""
    parts = []
    for each in entries:
        inside = [
            f"{word} in {', '.join(map(one_line, each[f'{word}_in']))}"
            for word in ("worse", "better")
            if each[f"{word}_in"]
        ]
        other = each["other"] if each["base"] == entries[0]["base"] else f"{each['other']} against {each['base']}"
        parts.append(f"{other} {each['word']}" + (f" ({'; '.join(inside)})" if inside else ""))
    return ", ".join(parts) + (f", compared with {entries[0]['base']} by {entries[0]['value']}" if entries else "")


def verdict_entries(comparisons: list[Comparison]) -> list[dict[str, Any]]:
    """For each system: the verdict on the first value over all rows, and the groups that are better or worse."""
    entries = []
    first = comparisons[0].value
    for overall in [each for each in comparisons if each.value == first and each.group is None]:
        groups = [
            each
            for each in comparisons
            if each.value == first
            and (each.base, each.other) == (overall.base, overall.other)
            and each.group is not None
        ]
        words = {each.group: verdict_of(each).word for each in groups}
        verdict = verdict_of(overall)
        entries.append(
            {
                "base": overall.base,
                "other": overall.other,
                "value": first,
                "word": verdict.word,
                "reason": verdict.reason or None,
                "rows_to_detect": verdict.needed_for_difference,
                "rows_to_exclude_margin": verdict.needed_for_margin,
                "margin": overall.margin,
                "base_value": overall.base_value,
                "other_value": overall.other_value,
                "difference": overall.difference,
                "interval": overall.interval,
                "p": overall.p_holm,
                "n": overall.n,
                "better_in": [group for group, word in words.items() if word == "better"],
                "worse_in": [group for group, word in words.items() if word == "worse"],
            }
        )
    return entries
