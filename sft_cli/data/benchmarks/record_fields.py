"""The columns of each benchmark's records, so that the file of another one is not taken for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sft_cli.run.errors import FieldError

# Every way that the records of a benchmark may look: what they ask, then where the right answer stands. `question.stem`
# is the column `stem` within `question`; other columns may stand beside these.
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
# Fewest and most choices, of benchmarks whose columns may be the same.
CHOICES = {"piqa": (2, 2), "commonsenseqa": (5, 5), "openbookqa": (4, 4), "arc-easy": (3, 5), "arc-challenge": (3, 5)}
MOST_FIELDS_SHOWN = 2


@cache
def _asking(name: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(layout.partition(" > ")[0].split(", ")) for layout in LAYOUTS[name])


def named_fields(name: str) -> str:
    """The columns of a benchmark, as a message says them: `goal, sol1, sol2 and label`."""
    shown = [" and ".join(layout.split(" > ")) for layout in LAYOUTS[name][:MOST_FIELDS_SHOWN]]
    return ", or ".join(shown).replace("gold_label and gold_label", "gold_label")


def others_with(name: str, record: Mapping[str, Any]) -> list[str]:
    """Other benchmarks whose columns the record has, and that it fits better than this one."""
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
    """What to say of a record that another benchmark's columns are in; None if they are this one's, or unknown."""
    others = others_with(name, record)
    if not others:
        return None
    listed = ", ".join(record)
    return FieldError(
        "", f"expected the columns of {name} ({named_fields(name)}), got {listed}: those of {' or '.join(others)}"
    )


def with_columns(name: str, error: FieldError) -> FieldError:
    """The error, and which columns the benchmark has, if one of them is not there."""
    if not error.problem.endswith("expected text, got nothing"):
        return error
    return FieldError(error.field, f"{error.problem}; the columns of {name} are {named_fields(name)}")


def check_choice_count(name: str, count: int) -> None:
    """Raise FieldError for a number of choices that the benchmark does not have: the file may be of another one."""
    fewest, most = CHOICES.get(name, (0, count))
    if not fewest <= count <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise FieldError("choices", f"expected {wanted}, as many as {name} has, got {count}")
