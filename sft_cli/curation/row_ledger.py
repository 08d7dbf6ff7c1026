"""--ledger: a line for each row that is dropped, changed or rejected; and how many rows that are."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import write_row
from sft_cli.run.ledger import Ledger

LONGEST_IN_LEDGER = 500  # characters of a text
DROPPED, CHANGED, REJECTED, LEFT_OUT = "dropped", "changed", "rejected", "left out"
Later = Callable[[], dict[str, Any]]  # what is known of an entry only when all rows have been read


def told(action: str, rule: str, reason: str) -> dict[str, Any]:
    """What was done to a row."""
    return {"action": action, "rule": rule, "reason": reason}


@dataclass
class RowLedger:
    """The file of --ledger, if there is one, and counts. thoughtful: rows whose thoughts --reasoning dropped."""

    lines: TextIO | None = None
    waiting: list[tuple[Later, dict[str, Any]]] = field(default_factory=list)
    dropped: int = 0
    thoughtful: int = 0

    def tell(self, where: str, ledger: Ledger, entry: dict[str, Any], later: Later | None = None) -> None:
        """Count what was done to a row, and write its line."""
        ledger.count(f"{entry['action']}: {entry['rule']}: {entry['reason']}")
        self.dropped += entry["action"] == DROPPED
        self.thoughtful += entry["rule"].startswith("--reasoning")
        if self.lines is None:
            return
        line = {"row": where, **entry}
        if later is None:
            write_row(self.lines, line)
        else:
            self.waiting.append((later, line))

    def reject(self, where: str, error: FieldError) -> None:
        """Write a bad row."""
        if self.lines is not None:
            write_row(self.lines, {"row": where, **told(REJECTED, "format", str(error))})

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Write a record that becomes no row."""
        self.dropped += 1
        if self.lines is not None:
            write_row(self.lines, {"row": where, **told(DROPPED, rule, reason)})

    def write_waiting(self) -> None:
        """Write the entries that waited for the places of other rows."""
        for later, line in self.waiting:
            assert self.lines is not None
            write_row(self.lines, {**line, **later()})

    def for_blocks(self) -> RowLedger:
        """One for another process: its lines are in memory."""
        return RowLedger(None if self.lines is None else io.StringIO())

    def take(self, other: RowLedger) -> None:
        """Add the lines and counts of one that `for_blocks` has made."""
        self.dropped += other.dropped
        self.thoughtful += other.thoughtful
        if self.lines is not None and isinstance(other.lines, io.StringIO):
            self.lines.write(other.lines.getvalue())
