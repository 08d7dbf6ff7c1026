"""A triple of a knowledge graph: `subject`, `relation`, `object`; a question for the object, and its answer."""

from __future__ import annotations

import re
from typing import Any

from sft_cli.data.formats.turns import conversation_row, read_text
from sft_cli.data.language import language_of
from sft_cli.run.errors import FieldError, shown

FIELDS = ("subject", "relation", "object")
SUBJECT_SLOT = "{subject}"
QUESTIONS_OF_RELATIONS = {"en": "What is the {relation} of {subject}?", "zh": "{subject}的{relation}是什么？"}
# `shares border with` and `得名于` are not nouns, and so have no such question.
OPEN_FACTS = {"en": "Complete the fact: {subject} – {relation} – ?", "zh": "补全这个事实：{subject} – {relation} – ？"}
OPEN_ENDS = re.compile(r"(?:\b(?:of|with|by|at|in|on|to|from|for|after|as|is|has)|[于自由在为是])$")
# An id has no words that a question could use.
IDENTIFIER = re.compile(r"[PQ]\d+|[a-z][\w+.-]*://\S*|/\S*|_:\S*")


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a subject, a relation and an object."""
    return all(name in record for name in FIELDS)


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row that asks for the object of a triple; raises FieldError for a name that is missing or an id.

    The question is in the language of the relation. A relation with `{subject}` in it is the question itself.
    """
    subject, relation, answer = (_named_part(record, name) for name in FIELDS)
    messages = [
        {"role": "user", "content": object_question(subject, relation)},
        {"role": "assistant", "content": answer},
    ]
    return conversation_row(record, messages, FIELDS)


def object_question(subject: str, relation: str) -> str:
    """The question for the object of a triple, in English or Chinese."""
    if SUBJECT_SLOT in relation:
        return relation.replace(SUBJECT_SLOT, subject)
    words = _words_of(relation)
    forms = OPEN_FACTS if OPEN_ENDS.search(words) else QUESTIONS_OF_RELATIONS
    return forms[language_of(words)].format(subject=subject, relation=words)


def question_parts(record: dict[str, Any]) -> dict[str, Any]:
    """What a template says of a triple; raises FieldError for a name that is missing or an id.

    `is_open`: whether the relation is not a noun. `asked`: the question, if the relation has `{subject}`.
    """
    subject, relation, _ = (_named_part(record, name) for name in FIELDS)
    asked = object_question(subject, relation) if SUBJECT_SLOT in relation else ""
    words = _words_of(relation)
    return {"subject": subject, "relation": words, "is_open": bool(OPEN_ENDS.search(words)), "asked": asked}


def _words_of(relation: str) -> str:
    return " ".join(relation.replace("_", " ").split())


def _named_part(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    name = read_text({**record, field: value}, field).strip()
    if IDENTIFIER.fullmatch(name):
        hint = f"--map {field}=FIELD, if another field has the name in words"
        raise FieldError(field, f"expected a name in words, got the id {shown(name)}", hint)
    return name
