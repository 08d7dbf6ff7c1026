"""Formats of raw data: one file each, with `matches(record)`, `convert(record)` and the `FIELDS` that it reads."""

from __future__ import annotations

import importlib
from functools import cache
from types import ModuleType
from typing import Any

from sft_cli.run.registry import Table

# Detection tries them in this order: a record may have a `text` field beside its conversation.
FORMATS = Table(
    "format",
    {
        "generations": "sft_cli.data.formats.generations:convert",
        "openai": "sft_cli.data.formats.openai:convert",
        "messages": "sft_cli.data.formats.messages:convert",
        "sharegpt": "sft_cli.data.formats.sharegpt:convert",
        "alpaca": "sft_cli.data.formats.alpaca:convert",
        "prompt-completion": "sft_cli.data.formats.prompt_completion:convert",
        "triples": "sft_cli.data.formats.triples:convert",
        "text": "sft_cli.data.formats.text:convert",
    },
)


@cache
def format_modules() -> dict[str, ModuleType]:
    """The module of each format, in the order of detection."""
    return {name: importlib.import_module(entry.partition(":")[0]) for name, entry in FORMATS.items()}


def detect(record: dict[str, Any]) -> str | None:
    """The first format whose keys the record has, or None.

    A format whose fields are all null counts only if no other fits: each row of a table has the fields of all rows.
    """
    keys = tuple(record) if set(map(type, record.values())) == {str} else ()
    if keys not in _of_texts:
        name = _detect(record)
        if not keys or len(_of_texts) >= MOST_KNOWN:
            return name
        _of_texts[keys] = name
    return _of_texts[keys]


MOST_KNOWN = 1000
_of_texts: dict[tuple[str, ...], str | None] = {}  # by the keys: the format of a record whose values are all texts


def _detect(record: dict[str, Any]) -> str | None:
    empty = None
    for name, module in format_modules().items():
        if module.matches(record):
            if any(record.get(field) is not None for field in module.FIELDS):
                return name
            empty = empty or name
    return empty
