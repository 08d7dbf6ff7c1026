"""The context of a row: the passages that have its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sft_cli.run.errors import FieldError, shown


def context_of(row: Mapping[str, Any], field: str) -> str | None:
    """The context of a row as one text, or None; raises FieldError if the context has another form."""
    texts = [passage["text"] for passage in passages_of(row, field)]
    return "\n".join(texts) if texts else None


def passages_of(row: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The passages of a row, best first: number (from 1), id, source, title and text; empty strings where it has none.

    Raises FieldError for an entry that is neither text nor an object with text.
    """
    value = row.get(field)
    entries = value if isinstance(value, list) else [value] if value is not None else []
    passages = []
    for place, entry in enumerate(entries):
        text = (entry.get("text") or entry.get("content")) if isinstance(entry, dict) else entry
        if not isinstance(text, str):
            where = f"{field}[{place}]" if isinstance(value, list) else field
            raise FieldError(where, f"expected text, or an object with text or content, got {shown(entry)}")
        facts = entry if isinstance(entry, dict) else {}
        about = {name: str(facts.get(name) or "") for name in ("id", "source", "title")}
        passages.append({"number": place + 1, **about, "text": text})
    return passages
