"""What to try: each rule names the figure that makes it fire, what to do, and commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sft_cli.report.explain.explanation import Explanation
from sft_cli.report.explain.figures import (
    CALIBRATION,
    Reason,
    broken_group,
    copies,
    leaked_rows,
    lost_task,
    over_confidence,
    too_little,
    wrong_form,
)

Figure = Callable[[Explanation], Reason | None]


@dataclass(frozen=True)
class SuggestionRule:
    """fires: when, in words. figure: gives the reason, or None. commands: to try, with names to replace.

    TOKENS in a command becomes twice the limit with which the answers were generated.
    """

    fires: str
    advice: str
    commands: tuple[str, ...]
    figure: Figure
    needs: str  # the cause whose groups it reads, or another thing that can be missing: CALIBRATION; or nothing


SUGGESTION_RULES = {
    "lost-task": SuggestionRule(
        "a task became worse significantly more often than the other rows",
        "replay rows of this task while the model learns the new one; a larger share if there is replay",
        (
            "sft replay-build old.jsonl --fraction 0.1 -o replay.jsonl",
            "sft train new.jsonl replay.jsonl --model BASE --retain old.eval.jsonl -o runs/next",
        ),
        lost_task,
        "by",
    ),
    "loops": SuggestionRule(
        "answers that repeat themselves became worse significantly more often",
        "decode with a penalty on repeated words; remove training rows that repeat themselves",
        ("sft generate MODEL test.jsonl --repetition-penalty 1.1 --no-repeat-ngram-size 6 -o next.gen.jsonl",),
        broken_group("loop"),
        "loop",
    ),
    "copies": SuggestionRule(
        "the answers loop, and at least 1 % of the rows of --train have the prompt of an earlier row",
        "remove the copies, or train for fewer epochs",
        ("sft train train.jsonl --model BASE --epochs 1 -o runs/next",),
        copies,
        "trained",
    ),
    "format-json": SuggestionRule(
        "answers that are not JSON where the reference is became worse significantly more often",
        "decode with a schema, or add training rows in this format",
        ("sft generate MODEL test.jsonl --json-schema schema.json -o next.gen.jsonl",),
        wrong_form(is_json=True),
        "format",
    ),
    "format-form": SuggestionRule(
        "answers that are no number, letter or label where the reference is became worse significantly more often",
        "decode with a pattern, or add training rows in this format",
        ("sft generate MODEL test.jsonl --regex '[A-D]' -o next.gen.jsonl",),
        wrong_form(is_json=False),
        "format",
    ),
    "cut": SuggestionRule(
        "answers that were cut at the token limit became worse significantly more often",
        "allow longer answers; training rows without their end teach a model not to stop",
        ("sft generate MODEL test.jsonl --max-new-tokens TOKENS -o next.gen.jsonl",),
        broken_group("cut"),
        "cut",
    ),
    "failed": SuggestionRule(
        "failed or empty answers became worse significantly more often",
        "generate the failed rows again",
        ("sft generate MODEL test.jsonl --retry-errors -o tuned.gen.jsonl",),
        broken_group("failed"),
        "failed",
    ),
    "unsupported": SuggestionRule(
        "answers with more claims without support became worse significantly more often",
        "show the model passages to answer from",
        (
            "sft retrieve test.jsonl --corpus documents/ -o test.found.jsonl",
            "sft generate MODEL test.found.jsonl --prompt-template grounded -o next.gen.jsonl",
        ),
        broken_group("evidence"),
        "evidence",
    ),
    "language": SuggestionRule(
        "the rows of one language became worse significantly more often",
        "add training rows in this language, or give them a larger share",
        ("sft train train.jsonl more.jsonl --model BASE --mix-temperature 2 -o runs/next",),
        broken_group("language"),
        "language",
    ),
    "over-confidence": SuggestionRule(
        "the mean confidence is at least 0.1 above the share of right answers (metric calibration)",
        "train with label smoothing",
        ("sft train train.jsonl --model BASE --loss label-smoothing --label-smoothing 0.1 -o runs/next",),
        over_confidence,
        CALIBRATION,
    ),
    "leaked": SuggestionRule(
        "test rows have the prompt of a row of --train",
        "take new test rows: equal rows are never in two parts of a split",
        ("sft prep all.jsonl --split train=0.9,test=0.1 -o data/",),
        leaked_rows,
        "trained",
    ),
    "too-little-data": SuggestionRule(
        "the verdict is too little data",
        "generate and score more test rows",
        (
            "sft generate MODEL more.jsonl -o more.gen.jsonl",
            "sft score more.gen.jsonl --metric METRIC -o more.scores.jsonl",
        ),
        too_little,
        "",
    ),
}


def rule_table() -> str:
    """The rules in Markdown, for the page on explanations."""
    lines = ["| rule | fires if | try | with |", "|---|---|---|---|"]
    for name, rule in SUGGESTION_RULES.items():
        commands = "<br>".join(f"`{command}`" for command in rule.commands)
        lines.append(f"| `{name}` | {rule.fires} | {rule.advice} | {commands} |")
    return "\n".join([*lines, ""])
