"""The answer of a turn that calls tools, which each chat template writes in its own way."""

from __future__ import annotations

from typing import Any


class CallText(str):
    """A turn with tool calls as JSON; it still knows the turn, so that a model's template may write it instead."""

    turn: dict[str, Any]

    @classmethod
    def of(cls, text: str, turn: dict[str, Any]) -> CallText:
        """The text of a turn."""
        found = cls(text)
        found.turn = turn
        return found
