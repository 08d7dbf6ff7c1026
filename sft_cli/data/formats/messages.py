"""OpenAI's chat format: `messages` of role and content, with `tools` and `tool_calls`."""

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

MESSAGES_FIELDS = ("messages", "conversation", "conversations", "dialogue")
FIELDS = (*MESSAGES_FIELDS, *SYSTEM_FIELDS, "tools")
SYSTEM_KEYS = frozenset(SYSTEM_FIELDS)


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a list of turns with roles (or its JSON)."""
    column = first_column(record, MESSAGES_FIELDS)
    if column is None:
        return False
    turns = record[column]
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        return "role" in turns[0] or not ("from" in turns[0] or is_pair(turns[0]))
    return column == "messages"


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from a record with turns by role; raises FieldError for the first bad field."""
    column = first_column(record, MESSAGES_FIELDS)
    if column is None:
        raise FieldError("messages", "expected a list of turns, got nothing")
    messages = read_turns(record[column], column)
    if SYSTEM_KEYS.isdisjoint(record):
        return conversation_row(record, messages, (column,))
    if messages[0]["role"] != "system":
        messages = [*system_turn(record), *messages]
    return conversation_row(record, messages, (column, *SYSTEM_FIELDS))
