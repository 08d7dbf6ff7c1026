"""How rules take part in a conversion: they drop or change rows between the conversion and the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger

# Takes notice of a record that becomes no row: its place, and the reason.
LeavesOut = Callable[[str, str], None]


class RowRules(Protocol):
    """Rules that drop or change rows (`curation.rules.Rules`)."""

    @property
    def needs_survey(self) -> str:
        """The flag that must see all rows before the first is kept; empty if there is none, or none any more."""
        ...

    def survey(self, where: str, row: Row) -> None:
        """Take notice of a row, in a reading before the last."""
        ...

    def end_survey(self) -> None:
        """The flag of `needs_survey` has seen all rows."""
        ...

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row to write, or None; what was done is counted."""
        ...

    def reject(self, where: str, error: FieldError) -> None:
        """Take notice of a bad row."""
        ...

    def leave_out(self, where: str, reason: str) -> None:
        """Take notice of a record that becomes no row."""
        ...


class Voice(Protocol):
    """Where messages go."""

    def say(self, text: str) -> None:
        """Print, unless --quiet."""
        ...

    def warn(self, text: str) -> None:
        """Print always."""
        ...


class Silent:
    """No messages: the last reading says them."""

    def say(self, text: str) -> None:
        """Print nothing."""

    def warn(self, text: str) -> None:
        """Print nothing."""


@dataclass(frozen=True)
class Surveying:
    """The rules, in a reading before the last: no row is kept."""

    rules: RowRules
    needs_survey: str = ""

    def survey(self, where: str, row: Row) -> None:
        """Nothing: this is the survey."""

    def end_survey(self) -> None:
        """Nothing: this is the survey."""

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """Show the row to the rules."""
        self.rules.survey(where, row)
        return None

    def reject(self, where: str, error: FieldError) -> None:
        """Nothing: the last reading reports bad rows."""

    def leave_out(self, where: str, reason: str) -> None:
        """Nothing: the last reading reports such records."""
