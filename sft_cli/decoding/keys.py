"""The keys that `sft generate` writes into a row; a row with such a key is a generation, or is refused."""

from __future__ import annotations

from typing import Any

from sft_cli.run.errors import FieldError, shown

ALWAYS = ("completion", "sample", "finish_reason", "error", "prompt_tokens", "completion_tokens")
WRITTEN = (
    *ALWAYS,
    *("prediction", "predictions", "consistency", "samples"),
    *("completion_logprob", "reference_logprobs", "text_logprobs", "choice_logprobs"),
    *("prompt_tokens_dropped", "repetition"),
)


def is_generation(row: dict[str, Any]) -> bool:
    """Whether `sft generate` wrote this row."""
    return all(name in row for name in ALWAYS)


def to_ask(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a prompt: a generation without the generated keys.

    Raises FieldError for any other row with such a key, because its value would be lost.
    """
    keys = [name for name in WRITTEN if name in row]
    if keys and not is_generation(row):
        raise FieldError(
            keys[0], f"the input must not have this key, because sft generate writes it; got {shown(row[keys[0]])}"
        )
    return without_written(row)


def without_written(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the keys that generate writes."""
    return {name: value for name, value in row.items() if name not in WRITTEN}
