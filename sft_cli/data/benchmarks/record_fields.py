"""The fields of each benchmark's records, to detect the file of another benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sft_cli.run.errors import FieldError

# The possible fields of the records of a benchmark: fields of the question > field of the right answer.
# `question.stem` is the field `stem` within `question`. Records may have other fields too.
_LETTERED = "question, options > answer"
_NESTED = "question.stem, question.choices > answerKey"
LAYOUTS: dict[str, tuple[str, ...]] = {
    "boolq": ("passage, question > label or answer",),
    "cb": ("premise, hypothesis > label",),
    "copa": ("premise, choice1, choice2, question > label",),
    "multirc": ("paragraph, question, answer > label",),
    "wic": ("sentence1, sentence2, start1, end1 > label",),
    "wsc": ("text, span1_text, span1_index, span2_text, span2_index > label", "text, target.span1_text > label"),
    "rte": ("sentence1, sentence2 > label", "premise, hypothesis > label"),
    "wnli": ("sentence1, sentence2 > label",),
    "qnli": ("question, sentence > label",),
    "mnli": ("premise, hypothesis > label", "sentence1, sentence2, gold_label > gold_label"),
    "mrpc": ("sentence1, sentence2 > label", "#1 String, #2 String > Quality"),
    "qqp": ("question1, question2 > label or is_duplicate",),
    "sst2": ("sentence > label",),
    "cola": ("sentence > label",),
    "stsb": ("sentence1, sentence2, score > score", "sentence1, sentence2 > label"),
    "record": ("passage, query, entities > answers",),
    "piqa": ("goal, sol1, sol2 > label", _LETTERED, "goal, options > answer"),
    "siqa": ("context, question, answerA, answerB, answerC > label or correct",),
    "hellaswag": ("activity_label, ctx_a, endings > label",),
    "commonsenseqa": (
        "question, choices, question_concept > answerKey",
        "question, choices > answerKey",
        "question_stem, choices > answerKey",
        f"question.question_concept, {_NESTED}",
        _NESTED,
        _LETTERED,
    ),
    "openbookqa": ("question_stem, choices > answerKey", _NESTED, _LETTERED),
    "arc-easy": ("question, choices > answerKey", _NESTED, _LETTERED),
}
LAYOUTS["mnli-mismatched"] = LAYOUTS["mnli"]
LAYOUTS["arc-challenge"] = LAYOUTS["arc-easy"]
# Fewest and most choices, of benchmarks that may have the same fields.
CHOICES = {"piqa": (2, 2), "commonsenseqa": (5, 5), "openbookqa": (4, 4), "arc-easy": (3, 5), "arc-challenge": (3, 5)}
MOST_FIELDS_SHOWN = 2


@cache
def _asking(name: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(layout.partition(" > ")[0].split(", ")) for layout in LAYOUTS[name])


def named_fields(name: str) -> str:
    """The fields of a benchmark, as in a message: `goal, sol1, sol2 and label`."""
    shown = [" and ".join(layout.split(" > ")) for layout in LAYOUTS[name][:MOST_FIELDS_SHOWN]]
    return ", or ".join(shown).replace("gold_label and gold_label", "gold_label")


def others_with(name: str, record: Mapping[str, Any]) -> list[str]:
    """Other benchmarks that the fields of the record fit better than this one."""
    nested = ((key, value) for key, value in record.items() if isinstance(value, dict))
    columns = {*record, *(f"{key}.{inner}" for key, value in nested for inner in value)}
    own = [layout for layout in _asking(name) if layout <= columns]
    return [
        other
        for other in LAYOUTS
        if any(layout <= columns and all(mine < layout for mine in own) for layout in _asking(other))
        and LAYOUTS[other] is not LAYOUTS[name]
    ]


def wrong_columns(name: str, record: Mapping[str, Any]) -> FieldError | None:
    """The error for a record with the fields of another benchmark; None if they are of this one, or unknown."""
    others = others_with(name, record)
    if not others:
        return None
    listed = ", ".join(record)
    return FieldError(
        "",
        f"expected the fields of {name} ({named_fields(name)}), got {listed}, the fields of {' or '.join(others)}",
    )


def with_columns(name: str, error: FieldError) -> FieldError:
    """The error, with the fields of the benchmark if one of them is missing."""
    if not error.problem.endswith("expected text, got nothing"):
        return error
    return FieldError(error.field, f"{error.problem}; the fields of {name} are {named_fields(name)}")


def check_choice_count(name: str, count: int) -> None:
    """Raise FieldError if the benchmark has another number of choices: the file may be of another benchmark."""
    fewest, most = CHOICES.get(name, (0, count))
    if not fewest <= count <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise FieldError("choices", f"expected {wanted} choices for {name}, got {count}")
