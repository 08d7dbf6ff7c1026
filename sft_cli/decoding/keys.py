"""The keys that `sft generate` writes into a row; a row that has one already is refused, or was a generation."""

from __future__ import annotations

from typing import Any

from sft_cli.run.errors import FieldError, shown

ALWAYS = ("completion", "sample", "finish_reason", "error", "prompt_tokens", "completion_tokens")
WRITTEN = (
    *ALWAYS,
    *("prediction", "predictions", "consistency", "samples"),
    *("reference_logprobs", "text_logprobs", "choice_logprobs"),
    *("prompt_tokens_dropped", "repetition"),
)


def is_generation(row: dict[str, Any]) -> bool:
    """Whether `sft generate` wrote this row."""
    return all(name in row for name in ALWAYS)


def to_ask(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it can be asked: a generation without what was generated.

    Raises FieldError for any other row with a key of that name: it means something else there, which would be lost.
    """
    found = [name for name in WRITTEN if name in row]
    if found and not is_generation(row):
        raise FieldError(found[0], f"is a key that generate writes; expected none, got {shown(row[found[0]])}")
    return without_written(row)


def without_written(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the keys that generate writes."""
    return {name: value for name, value in row.items() if name not in WRITTEN}
