"""The context of a row: the passages that have its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sft_cli.run.errors import FieldError, shown


def context_of(row: Mapping[str, Any], field: str) -> str | None:
    """The context of a row as one text, or None; raises FieldError if the context has another form."""
    value = row.get(field)
    entries = value if isinstance(value, list) else [value] if value is not None else []
    texts = []
    for place, entry in enumerate(entries):
        text = (entry.get("text") or entry.get("content")) if isinstance(entry, dict) else entry
        if not isinstance(text, str):
            where = f"{field}[{place}]" if isinstance(value, list) else field
            raise FieldError(where, f"expected text, or an object with text or content, got {shown(entry)}")
        texts.append(text)
    return "\n".join(texts) if texts else None
