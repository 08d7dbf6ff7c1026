"""Formats of raw data: one file each, with `matches(record)` and `convert(record)`."""

from __future__ import annotations

import importlib
from typing import Any

from sft_cli.run.registry import Table

# Detection asks them in this order: a record may carry a `text` column beside its conversation.
FORMATS = Table(
    "format",
    {
        "messages": "sft_cli.data.formats.messages:convert",
        "sharegpt": "sft_cli.data.formats.sharegpt:convert",
        "alpaca": "sft_cli.data.formats.alpaca:convert",
        "prompt-completion": "sft_cli.data.formats.prompt_completion:convert",
        "text": "sft_cli.data.formats.text:convert",
    },
)


def detect(record: dict[str, Any]) -> str | None:
    """The first format whose keys the record has, or None."""
    for name, entry in FORMATS.items():
        if importlib.import_module(entry.partition(":")[0]).matches(record):
            return name
    return None
