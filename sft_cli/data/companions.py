"""What a record has beside its text: thoughts of the answer, token ids, images and audio, and unknown keys of turns."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats import detect
from sft_cli.data.formats.messages import MESSAGES_FIELDS
from sft_cli.data.rows import THOUGHT_FIELDS, Row
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.text import counted, one_line

THOUGHTS = frozenset(THOUGHT_FIELDS)
# What a tokenizer makes of a text, in the records of trainers that tokenise first.
TOKEN_FIELDS = ("input_ids", "labels", "attention_mask", "token_type_ids", "position_ids")
# LLaMA-Factory's fields for what is not text, and the same names in the singular.
MEDIA_FIELDS = {
    **dict.fromkeys(("images", "image"), "image"),
    **dict.fromkeys(("audios", "audio"), "audio file"),
    **dict.fromkeys(("videos", "video"), "video"),
}
MEDIA_NAMES = frozenset(MEDIA_FIELDS)
# The keys of a turn that some command or chat template reads.
TURN_KEYS = frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id", *THOUGHT_FIELDS})
# The fields with turns; records without them have no keys of turns.
TURN_FIELDS = frozenset({*MESSAGES_FIELDS, "prompt", "completion", "body"})
# The keys of a part of a content that are read (`formats/content.py`).
PART_KEYS = frozenset(
    {
        *("type", "text", "value", "thinking", "reasoning", "tool_call"),
        *("id", "name", "input", "content", "is_error", "tool_use_id", "tool_call_id"),
    }
)


def refuse_media_fields(record: dict[str, Any]) -> None:
    """Raise FieldError for a field with images, audio or videos: its text would not say what the answer is about."""
    for name, kind in MEDIA_FIELDS.items():
        if record.get(name) not in (None, "", [], {}):
            number = len(record[name]) if isinstance(record[name], list) else 1
            hint = f"--drop-field {name} leaves the field out"
            raise FieldError(name, f"expected text only, got {counted(number, kind)}; sft trains on text only", hint)


def without_token_ids(record: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The record without what a tokenizer made of its text, and the names of these fields.

    Raises FieldError for a record that has only token ids.
    """
    if not isinstance(record.get("input_ids"), list):
        return record, []
    names = [name for name in TOKEN_FIELDS if name in record]
    if detect(record) is None:
        problem = "expected text, got token ids: they fit one tokenizer, and sft tokenises text itself"
        raise FieldError("input_ids", problem, "convert the text from which they were made, or decode them first")
    return {name: value for name, value in record.items() if name not in names}, names


def take_thought(row: Row) -> str:
    """Move a field with the thought of the answer into the last turn of the row; return what was done, or "".

    Raises FieldError for a thought that is not text.
    """
    name = next((name for name in THOUGHT_FIELDS if row.get(name) is not None), None)
    messages = row.get("messages")
    if name is None or not messages or messages[-1]["role"] != "assistant":
        return ""
    if not isinstance(row[name], str):
        hint = f"--drop-field {name} leaves the field out"
        raise FieldError(name, f"expected text, got {shown(row[name])}", hint)
    answer = messages[-1]
    if any(answer.get(each) for each in THOUGHT_FIELDS) or "</think>" in (answer.get("content") or ""):
        return f"the field `{name}` is kept without change, because the answer has a thought already"
    thought = row.pop(name)
    if not thought.strip():
        return ""
    row["messages"] = [*messages[:-1], {**answer, "reasoning_content": thought}]
    return f"the field `{name}` is read as the thought of the answer"


def unread_keys(row: Row, turns: Any) -> list[tuple[str, str]]:
    """(what is said, place) of each key of a turn that no command reads, and of each key of a part that is not kept.

    turns: as they are in the record.
    """
    found = []
    for index, message in enumerate(row.get("messages", ())):
        if len(message) > 2:
            for key in message.keys() - TURN_KEYS:
                what = f"no command reads the key {one_line(key)} of a turn; it is kept without change"
                found.append((what, f"messages[{index}].{one_line(key)}"))
    if isinstance(turns, list):
        for index, turn in enumerate(turns):
            if isinstance(turn, dict) and isinstance(turn.get("content"), list) and turn.get("role") != "tool":
                found += _unread_part_keys(turn["content"], f"messages[{index}].content")
    return found


def _unread_part_keys(parts: list[Any], where: str) -> list[tuple[str, str]]:
    return [
        (f"the key {one_line(key)} of a part of a turn is not kept", f"{where}[{number}].{one_line(key)}")
        for number, part in enumerate(parts)
        if isinstance(part, dict)
        for key in part.keys() - PART_KEYS
    ]
