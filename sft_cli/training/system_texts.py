"""How many of the rows that are learned have a system text, for whoever asks the model later."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MOST_TEXTS = 1000  # that are told apart; rows with one for each would fill the memory
LONGEST = 200  # characters of a text that are kept


@dataclass
class SystemTexts:
    """Counts the conversations, those with a system turn, and what the commonest of these begins with."""

    conversations: int = 0
    with_system: int = 0
    heads: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Count a row; raw text counts nowhere."""
        messages = row.get("messages")
        if messages is None:
            return
        self.conversations += 1
        text = next((message["content"] for message in messages if message["role"] == "system"), None)
        if text:
            self.with_system += 1
            head = text[:LONGEST]
            if head in self.heads or len(self.heads) < MOST_TEXTS:
                self.heads[head] += 1

    def facts(self) -> dict[str, Any]:
        """What the manifest says."""
        head = self.heads.most_common(1)[0][0] if self.heads else ""
        return {"conversations": self.conversations, "with_system": self.with_system, "commonest": head}
