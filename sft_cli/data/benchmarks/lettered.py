"""Questions whose choices have letters: CommonsenseQA, OpenBookQA, ARC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sft_cli.data.benchmarks.question import Question, refuse_hidden, text_of
from sft_cli.run.errors import FieldError, shown

OPTION = re.compile(r"^([A-Z])\. ?(.*)$")
LETTERS = ["A", "B", "C", "D", "E"]


def commonsenseqa(record: dict[str, Any]) -> Question:
    """CommonsenseQA (Talmor et al. 2019): the letter of one of five choices that the prompt lists."""
    stem, labels, texts = _parts(record)
    if labels != LETTERS:
        raise FieldError("choices", f"expected five, labelled A to E, got {shown(labels)}")
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(labels, texts, strict=True))
    return Question(f"Question: {stem.strip()}\n{listed}\nAnswer:", labels, _answer(record, labels))


def openbookqa(record: dict[str, Any]) -> Question:
    """OpenBookQA (Mihaylov et al. 2018): which of four endings completes the sentence?"""
    stem, labels, texts = _parts(record)
    return Question(stem, texts, _answer(record, labels))


def arc(record: dict[str, Any]) -> Question:
    """AI2 Reasoning Challenge (Clark et al. 2018): a science question of an exam."""
    stem, labels, texts = _parts(record)
    return Question(f"Question: {stem}\nAnswer:", texts, _answer(record, labels))


def _parts(record: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    """Stem, labels and texts: nested in `question`, in a field of choices, or as lines of `options`."""
    nested = record.get("question")
    if isinstance(nested, dict):
        return text_of(nested, "stem"), *_choices(nested.get("choices"), "question.choices")
    stem = text_of(record, "question_stem", "question")
    if "options" in record and "choices" not in record:
        return stem.rstrip(), *lettered_options(record)  # flat copies end with a space, the official file does not
    return stem, *_choices(record.get("choices"), "choices")


def _choices(value: Any, field: str) -> tuple[list[str], list[str]]:
    """Labels and texts of `[{"label", "text"}, …]`, or of `{"label": […], "text": […]}`."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        columns = [[each.get(name) for each in value] for name in ("label", "text")]
    elif isinstance(value, dict) and all(isinstance(value.get(name), list) for name in ("label", "text")):
        columns = [value["label"], value["text"]]
    else:
        raise FieldError(field, f"expected choices of label and text, got {shown(value)}")
    labels, texts = columns
    if len(labels) != len(texts) or not all(isinstance(each, str) and each for each in [*labels, *texts]):
        raise FieldError(field, f"expected a label and a text for each choice, got {shown(value)}")
    return labels, texts


def lettered_options(record: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Letters and texts of a field `options` with one choice on each line: `A. bank`."""
    lines = [line for line in text_of(record, "options").split("\n") if line]
    matches = [OPTION.match(line) for line in lines]
    labels = [match.group(1) for match in matches if match]
    if labels != [chr(ord("A") + place) for place in range(len(lines))]:
        raise FieldError("options", f"expected lines that begin with A., B., …, got {shown(record['options'])}")
    return labels, [match.group(2) for match in matches if match]


def letter_index(record: Mapping[str, Any], name: str, labels: list[str]) -> int:
    """The label that a field names: `B`, or `B. the text`."""
    value = record.get(name)
    refuse_hidden(record, name)
    match = OPTION.match(value) if isinstance(value, str) else None
    key = match.group(1) if match else value.strip() if isinstance(value, str) else value
    if key not in labels:
        raise FieldError(name, f"expected one of {', '.join(labels)}, got {shown(value)}")
    return labels.index(key)


def _answer(record: Mapping[str, Any], labels: list[str]) -> int:
    return letter_index(record, "answer" if "answer" in record and "answerKey" not in record else "answerKey", labels)
