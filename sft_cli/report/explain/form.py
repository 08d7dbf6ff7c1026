"""The cause that an answer has not the form of its reference: JSON, a number, a letter, one of a few labels."""

from __future__ import annotations

import re
from collections import Counter

from sft_cli.metrics.json_text import is_json, json_value
from sft_cli.report.explain.answer_causes import TEXTS_MISSING
from sft_cli.report.explain.looked_at import Found, LookedAt
from sft_cli.report.texts import RowTexts

ONE_NUMBER = re.compile(r"[-+−]?[$€£¥]?\d[\d,. ]*%?")
ONE_LETTER = re.compile(r"\(?[A-Z]\)?\.?")
LEAST_OF_A_LABEL = 3  # rows whose reference is the same text
MOST_LABELS = 20
ANSWER_FORMS = {
    "JSON": "answer not JSON",
    "number": "answer not a number",
    "letter": "answer not one letter",
    "label": "answer not a label",
}


def form_of(reference: str, labels: frozenset[str]) -> str | None:
    """The form of a reference: a key of ANSWER_FORMS; None if it is free text."""
    text = reference.strip()
    if is_json(text):
        return "JSON"
    if ONE_NUMBER.fullmatch(text):
        return "number"
    if ONE_LETTER.fullmatch(text):
        return "letter"
    return "label" if text in labels else None


def has_form(answer: str, form: str, labels: frozenset[str]) -> bool:
    """Whether an answer has a form of ANSWER_FORMS; a label may end in a full stop and be in another case."""
    text = answer.strip()
    if form == "JSON":
        return json_value(text) is not None
    if form == "number":
        return bool(ONE_NUMBER.fullmatch(text.rstrip(".")))
    if form == "letter":
        return bool(ONE_LETTER.fullmatch(text))
    return text.rstrip(".。").casefold() in {label.casefold() for label in labels}


def labels_of_references(references: list[str]) -> frozenset[str]:
    """The references that are labels: most rows have one of a few texts, each of several rows. Otherwise empty."""
    counts = Counter(reference.strip() for reference in references)
    often = {text: count for text, count in counts.items() if count >= LEAST_OF_A_LABEL}
    is_set = 2 <= len(often) <= MOST_LABELS and 2 * sum(often.values()) > len(references)
    return frozenset(often) if is_set else frozenset()


def broken_form(rows: LookedAt) -> Found:
    """The reference is JSON, a number, a letter or a label, and the answer is not."""
    if not rows.both:
        return TEXTS_MISSING
    firsts = [(base.references or other.references or [""])[0] for base, other in rows.both]
    if not any(firsts):
        return "no references"
    labels = _labels_by_task(rows, firsts)
    forms = [form_of(text, labels[base.task]) for text, (base, _) in zip(firsts, rows.both, strict=True)]
    if not any(forms):
        return "the references have no fixed form"
    found = {ANSWER_FORMS[form]: [False] * len(forms) for form in ANSWER_FORMS if form in forms}
    for place, (form, (base, other)) in enumerate(zip(forms, rows.both, strict=True)):
        if form:
            found[ANSWER_FORMS[form]][place] = _answers_in(base, form, labels[base.task]) and not _answers_in(
                other, form, labels[base.task]
            )
    return found


def _labels_by_task(rows: LookedAt, firsts: list[str]) -> dict[str | None, frozenset[str]]:
    by_task: dict[str | None, list[str]] = {}
    for text, (base, _) in zip(firsts, rows.both, strict=True):
        by_task.setdefault(base.task, []).append(text)
    return {task: labels_of_references(texts) for task, texts in by_task.items()}


def _answers_in(row: RowTexts, form: str, labels: frozenset[str]) -> bool:
    return row.completion is not None and has_form(row.completion, form, labels)
