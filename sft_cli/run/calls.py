"""The answer of a turn that calls tools; each chat template writes it in its own form."""

from __future__ import annotations

from typing import Any


class CallText(str):
    """A turn with tool calls as JSON. It keeps the turn, so that the chat template of a model can write it instead."""

    turn: dict[str, Any]

    @classmethod
    def of(cls, text: str, turn: dict[str, Any]) -> CallText:
        """The text of a turn."""
        call = cls(text)
        call.turn = turn
        return call
