"""--suggest: the rules that fire, those of the groups that explain most first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison_text import Style
from sft_cli.report.explain.explanation import Explanation
from sft_cli.report.explain.figures import Reason, tokens_to_try, unjudged
from sft_cli.report.explain.rules import SUGGESTION_RULES, SuggestionRule


@dataclass(frozen=True)
class Suggestion:
    """A rule that fired for one file, why, and what to run."""

    name: str
    rule: SuggestionRule
    reason: Reason
    commands: list[str]


def suggestions_of(explanation: Explanation) -> list[Suggestion]:
    """The rules that fire; those whose figure is of a group come in the order of the groups, then the others."""
    tokens = str(tokens_to_try(explanation))
    fired = [
        Suggestion(name, rule, reason, [command.replace("TOKENS", tokens) for command in rule.commands])
        for name, rule in SUGGESTION_RULES.items()
        if (reason := rule.figure(explanation)) is not None
    ]
    groups = explanation.shown

    def rank(suggestion: Suggestion) -> int:
        return next((place for place, group in enumerate(groups) if group is suggestion.reason.group), len(groups))

    return sorted(fired, key=rank)


def suggestion_text(explanations: list[Explanation], style: Style) -> str:
    """What to try for each file, below its groups."""
    return "".join(f"\n{_suggested(each, style)}" for each in explanations)


def _suggested(each: Explanation, style: Style) -> str:
    base, other = each.rows.labels
    found = suggestions_of(each)
    head = f"what to try, {other} against {base}"
    missing = _unjudged_line(each, style)
    if not found:
        return f"{head}: no rule fired, of {len(SUGGESTION_RULES)}.\n{missing}"
    lines = []
    for number, each_found in enumerate(found, 1):
        if style.note:
            commands = "".join(f"\n   - `{command}`" for command in each_found.commands)
            lines.append(
                f"{number}. **{each_found.name}**: {each_found.rule.advice} ({each_found.reason.text}){commands}"
            )
        else:
            lines.append(f"{number} {each_found.name}: {each_found.rule.advice}")
            lines.append(f"  because  {each_found.reason.text}")
            lines += [
                f"  {'try' if place == 0 else '':7}  {command}" for place, command in enumerate(each_found.commands)
            ]
    return f"{head}\n\n" + "\n".join(lines) + "\n" + missing


def _unjudged_line(each: Explanation, style: Style) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, rule in SUGGESTION_RULES.items():
        if reason := unjudged(each, rule.needs):
            by_reason.setdefault(reason, []).append(name)
    parts = [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
    return f"\n{style.note}rules that could not be judged: {'; '.join(parts)}.\n" if parts else ""


def suggestion_document(explanation: Explanation) -> list[dict[str, Any]]:
    """The suggestions of one file for --json."""
    base, other = explanation.rows.labels
    return [
        {
            "base": base,
            "other": other,
            "rule": each.name,
            "figure": each.reason.text,
            "advice": each.rule.advice,
            "commands": each.commands,
        }
        for each in suggestions_of(explanation)
    ]
