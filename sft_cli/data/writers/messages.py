"""Conversations as TRL and most other tools read them: `messages` of role and content, with `tools`."""

from __future__ import annotations

from typing import ClassVar

from sft_cli.data.rows import Row
from sft_cli.data.writers.protocol import FormatWriter, Written, check_own_names, turns_for

OTHER_NAMES = ("conversation", "conversations", "dialogue", "system")


class MessagesWriter(FormatWriter):
    """The row as it is, if it is a conversation."""

    name: ClassVar[str] = "messages"

    def record(self, row: Row) -> Written:
        """The record; raises FieldError for raw text."""
        turns_for(self.name, row)
        check_own_names(self.name, row, OTHER_NAMES)
        return Written(row, [])
