"""The texts of a row: what a model was asked, and everything that it can learn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def prompt_texts(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts that a model is asked with: the turns or the raw text, and the passages."""
    yield from _strings(row.get("text"))
    for message in row.get("messages") or ():
        yield from _strings(message.get("content") if isinstance(message, dict) else None)
    yield from _strings(row.get("context"))


def training_texts(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts that a model can learn from a row, also the references and answers."""
    yield from prompt_texts(row)
    for name in ("completion", "references", "answer", "prompt", "chosen"):
        yield from _strings(row.get(name))


def _strings(value: Any) -> Iterator[str]:
    """A text, or the texts of a list: of texts, or of objects with `text` or `content`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings(value.get("text") or value.get("content"))
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
