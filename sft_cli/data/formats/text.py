"""Raw text: `text`; every token is a target."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import OPTIONAL, read_text

FIELDS = ("text",)


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a text."""
    return "text" in record


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row of the text; raises FieldError if there is no text."""
    rest = {key: value for key, value in record.items() if key != "text" and not (value is None and key in OPTIONAL)}
    return {"text": read_text(record, "text"), **rest}
