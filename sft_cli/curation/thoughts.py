"""Thoughts of assistant turns: --reasoning keeps all of them, none, or only those of the last turn."""

from __future__ import annotations

from typing import Any

from sft_cli.data.rows import THOUGHT_FIELDS, Row, says_something
from sft_cli.metrics.answers import THINK, Marks
from sft_cli.run.errors import FieldError, shown


def after_opening_thoughts(text: str, marks: Marks = THINK) -> str | None:
    """The text after the thoughts at its start; None if the last of them has no end mark.

    As in `metrics.answers`, a text can begin inside a thought, and white space after a thought belongs to it. Marks
    after the first word of the answer are part of the answer.
    """
    rest = text
    while True:
        thought, end, after = rest.partition(marks.after)
        begins = rest.lstrip().startswith(marks.before)
        if not begins and (not end or marks.before in thought):
            return rest
        if not end:
            return None
        rest = after.lstrip()


def without_reasoning(row: Row, mode: str) -> Row:
    """The row after --reasoning; the same object if nothing changes.

    Raises FieldError for a thought without its end, and for a turn of which nothing would be left.
    """
    messages = row.get("messages")
    if mode == "keep" or not messages:
        return row
    spoken = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    kept = spoken[-1:] if mode == "last" else []
    turns = [
        _without_thought(message, f"messages[{place}]") if place in spoken and place not in kept else message
        for place, message in enumerate(messages)
    ]
    is_same = all(turn is message for turn, message in zip(turns, messages, strict=True))
    return row if is_same else {**row, "messages": turns}


def _without_thought(message: dict[str, Any], where: str) -> dict[str, Any]:
    bare = {name: value for name, value in message.items() if name not in THOUGHT_FIELDS}
    content = message.get("content")
    if isinstance(content, str):
        answer = after_opening_thoughts(content)
        if answer is None:
            raise FieldError(f"{where}.content", f"expected {THINK.after} after a thought, got {shown(content)}")
        bare["content"] = answer
    if bare == message:
        return message
    if not says_something(bare):
        raise FieldError(f"{where}.content", "expected text or tool calls besides the thoughts, got only thoughts")
    return bare
