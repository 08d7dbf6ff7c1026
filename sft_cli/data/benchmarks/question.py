"""A question with choices, and the functions that read its parts from a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sft_cli.run.errors import FieldError, shown

DELIMITER = " "  # between prompt and choice, as lm-evaluation-harness's `target_delimiter`
NO_LABEL = (-1, "-1", "", "-", None)  # values in place of the labels of a test set that are not published
FALSE_TRUE = ("false", "true")


@dataclass(frozen=True)
class Question:
    """A prompt, its choices, and the number of the right choice (0 is the first); `extra` are other fields of the row.

    The answer is None if several choices are right, or if there are no choices: then `extra` has the references.
    """

    prompt: str
    choices: list[str]
    answer: int | None
    extra: dict[str, Any] = field(default_factory=dict)


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """The text of the first of these fields that the record has; raises FieldError if it is not text."""
    name = next((name for name in names if name in record), None)
    if name is None:
        raise FieldError(names[0], "expected text, got nothing")
    if not isinstance(record[name], str) or not record[name].strip():
        raise FieldError(name, f"expected text, got {shown(record[name])}")
    return str(record[name])


def label_of(record: Mapping[str, Any], classes: tuple[str, ...], *names: str, first: int = 0) -> int:
    """The class that a label names, from 0: its number (counted from `first`), its name, or true and false.

    `names` are the fields that may have it. Raises FieldError for any other label, also for a hidden label.
    """
    name = next((name for name in names if name in record), names[0])
    label = record.get(name)
    refuse_hidden(record, name)
    word = str(label).strip().lower() if isinstance(label, (str, int)) else ""
    if word in classes:
        return classes.index(word)
    numbers = [str(number) for number in range(first, first + len(classes))]
    if word not in numbers:
        known = ", ".join(f"{number} ({each})" for number, each in zip(numbers, classes, strict=True))
        raise FieldError(name, f"expected one of {known}, got {shown(label)}")
    return numbers.index(word)


def refuse_hidden(record: Mapping[str, Any], name: str) -> None:
    """Raise FieldError for a hidden label: as a class, it would make every answer wrong."""
    if record.get(name) in NO_LABEL:
        got = shown(record[name]) if name in record else "nothing"
        raise FieldError(name, f"expected a label, got {got}: test sets hide their labels, and cannot be scored")


def number_of(record: Mapping[str, Any], name: str) -> int:
    """A whole number of at least 0 in a field."""
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FieldError(name, f"expected a number of at least 0, got {shown(value) if name in record else 'nothing'}")
    return value


def question_row(question: Question, task: str, is_chat: bool) -> dict[str, Any]:
    """The row of a question: raw text with the delimiter before a choice, or a user turn of a chat without it."""
    if is_chat:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": question.prompt}]}
    else:
        asked = {"text": question.prompt, **({"delimiter": DELIMITER} if question.choices else {})}
    if question.choices:
        asked["choices"] = question.choices
    if question.answer is not None:
        asked |= {"answer": question.choices[question.answer], "answer_index": question.answer}
    return {**asked, **question.extra, "task": task}
