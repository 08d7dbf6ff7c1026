"""ShareGPT's format: `conversations` of from and value, or of a question and its answer, with `system` and `tools`."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import (
    SYSTEM_FIELDS,
    conversation_row,
    first_column,
    is_pair,
    read_turns,
    system_turn,
)
from sft_cli.run.errors import FieldError

CONVERSATIONS_FIELDS = ("conversations", "conversation", "messages")
FIELDS = (*CONVERSATIONS_FIELDS, *SYSTEM_FIELDS, "tools")


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a list of turns by from and value, or of pairs without roles."""
    column = first_column(record, CONVERSATIONS_FIELDS)
    if column is None:
        return False
    turns = record[column]
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        return "from" in turns[0] or is_pair(turns[0])
    return column == "conversations"


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from a record with turns by from and value; raises FieldError for the first bad field."""
    column = first_column(record, CONVERSATIONS_FIELDS)
    if column is None:
        raise FieldError("conversations", "expected a list of turns, got nothing")
    messages = read_turns(record[column], column)
    if messages[0]["role"] != "system":
        messages = [*system_turn(record), *messages]
    return conversation_row(record, messages, (column, *SYSTEM_FIELDS))
