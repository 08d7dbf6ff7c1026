"""Stanford Alpaca: `instruction`, `input`, `output`, with `system` and `history` as LLaMA-Factory reads them."""

from __future__ import annotations

from typing import Any

from sft_cli.data.formats.content import read_json
from sft_cli.data.formats.turns import SYSTEM_FIELDS, conversation_row, read_text, system_turn
from sft_cli.run.errors import FieldError, shown

FIELDS = ("instruction", "input", "output", *SYSTEM_FIELDS, "history")


def matches(record: dict[str, Any]) -> bool:
    """Whether a record has an instruction and an output."""
    return "instruction" in record and "output" in record


def convert(record: dict[str, Any]) -> dict[str, Any]:
    """A row from an instruction, its input if any, and its output; raises FieldError for the first bad field."""
    instruction, extra = record.get("instruction"), record.get("input")
    for name, value in (("instruction", instruction), ("input", extra)):
        if value is not None and not isinstance(value, str):
            raise FieldError(name, f"expected a string, got {shown(value)}")
    # LLaMA-Factory joins the two with one newline (data/converter.py, AlpacaDatasetConverter).
    prompt = "\n".join(part for part in (instruction, extra) if part)
    if not prompt.strip():
        got = shown(instruction) if "instruction" in record else "nothing"
        raise FieldError("instruction", f"expected text, got {got}")
    messages = [
        *system_turn(record),
        *_history(record.get("history")),
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": read_text(record, "output")},
    ]
    return conversation_row(record, messages, FIELDS)


def _history(value: Any) -> list[dict[str, Any]]:
    history = read_json([] if value in (None, "") else value, "history")
    if not isinstance(history, list):
        raise FieldError("history", f"expected a list of pairs, got {shown(value)}")
    messages = []
    for index, pair in enumerate(history):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise FieldError(f"history[{index}]", f"expected a pair of strings, got {shown(pair)}")
        if not pair[1].strip():
            raise FieldError(f"history[{index}][1]", f"expected text, got {shown(pair[1])}")
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    return messages
