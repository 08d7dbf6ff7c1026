"""A prompt and its completion, by any of their usual names: strings, or lists of chat messages."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import conversation_row, read_text, read_turns, system_turn
from sft_cli.run.errors import FieldError, shown

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "response"),
    ("question", "answer"),
    ("query", "response"),
    ("question", "response"),
    ("problem", "solution"),
    ("input", "output"),
)
PROMPTS = ("prompt", "question")


def _columns(record: dict[str, Any]) -> tuple[str, str] | None:
    for prompt, completion in PAIRS:
        if prompt in record and completion in record:
            return prompt, completion
    return next(((prompt, "") for prompt in PROMPTS if prompt in record), None)


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a prompt, with a completion or alone (prompts to generate from)."""
    return _columns(record) is not None


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from a prompt and its completion; raises FieldError for the first bad field."""
    columns = _columns(record)
    if columns is None:
        raise FieldError("prompt", "expected text, got nothing")
    prompt, completion = columns
    messages = _messages(record, prompt, "user")
    if completion:
        answer = _messages(record, completion, "assistant")
        if answer[-1]["role"] != "assistant":
            raise FieldError(completion, f"expected an assistant turn at the end, got {shown(answer[-1]['role'])}")
        messages += answer
    if messages[0]["role"] != "system":
        messages = [*system_turn(record), *messages]
    return conversation_row(record, messages, (prompt, completion, "system"))


def _messages(record: dict[str, Any], column: str, role: str) -> list[dict[str, Any]]:
    if isinstance(record[column], list):
        return read_turns(record[column], column)
    return [{"role": role, "content": read_text(record, column)}]
