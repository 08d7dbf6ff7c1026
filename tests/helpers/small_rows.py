"""Rows of conversations, small enough to read."""

from __future__ import annotations

from typing import Any


def chat(*turns: str, **keys: Any) -> dict[str, Any]:
    """A row of alternating user and assistant turns."""
    roles = ("user", "assistant")
    return {"id": "r", "messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)], **keys}
