"""A prompt and its completion, under any of their usual names: strings, or lists of chat messages."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.turns import SYSTEM_FIELDS, conversation_row, read_text, read_turn, read_turns, system_turn
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
    ("input", "content"),
)
PROMPTS = ("prompt", "question")
FIELDS = tuple(dict.fromkeys([*(name for pair in PAIRS for name in pair), *SYSTEM_FIELDS, "tools"]))


def _pair_of(record: dict[str, Any]) -> tuple[str, str] | None:
    filled = {key for key, value in record.items() if value is not None}
    # Each row of a table has the fields of all rows: a pair with values is preferred.
    for prompts, completions in ((filled, filled), (filled, record), (record, record)):
        for prompt, completion in PAIRS:
            if prompt in prompts and completion in completions:
                return prompt, completion
    return next(((prompt, "") for names in (filled, record) for prompt in PROMPTS if prompt in names), None)


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has a prompt, with a completion or without (prompts to generate from)."""
    return _pair_of(record) is not None


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from a prompt and its completion; raises FieldError for the first bad field."""
    columns = _pair_of(record)
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
    return conversation_row(record, messages, (prompt, completion, *SYSTEM_FIELDS))


def convert_question(record: dict[str, Any]) -> dict[str, Any] | None:
    """A row without an answer, from a prompt under any name (also instruction and input); None without a prompt."""
    column = next((prompt for prompt, _ in PAIRS if prompt in record), None)
    if column is None:
        return None
    messages = _messages(record, column, "user")
    taken = [column]
    if column == "instruction" and record.get("input"):
        messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}\n{read_text(record, 'input')}"}
        taken.append("input")
    if messages[0]["role"] != "system":
        messages = [*system_turn(record), *messages]
    return conversation_row(record, messages, (*taken, *SYSTEM_FIELDS))


def _messages(record: dict[str, Any], column: str, role: str) -> list[dict[str, Any]]:
    if isinstance(record[column], list):
        return read_turns(record[column], column)
    if isinstance(record[column], dict):
        return [read_turn(record[column], column)]
    return [{"role": role, "content": read_text(record, column)}]
