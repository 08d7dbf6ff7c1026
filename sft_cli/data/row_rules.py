"""How rules take part in a conversion: they drop or change rows between the conversion and the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger

# Takes notice of a record that becomes no row: its place, the flag that leaves it out, and the reason.
LeavesOut = Callable[[str, str, str], None]


class RowRules(Protocol):
    """Rules that drop or change rows (`curation.rules.Rules`)."""

    @property
    def needs_survey(self) -> bool:
        """Whether all rows must be seen before the first is kept."""
        ...

    def survey(self, row: Row) -> None:
        """Take notice of a row, in the first reading."""
        ...

    def end_survey(self) -> None:
        """All rows have been seen."""
        ...

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row to write, or None; what was done is counted."""
        ...

    def reject(self, where: str, error: FieldError) -> None:
        """Take notice of a bad row."""
        ...

    def leave_out(self, where: str, rule: str, reason: str) -> None:
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
    """No messages: the second reading says them."""

    def say(self, text: str) -> None:
        """Print nothing."""

    def warn(self, text: str) -> None:
        """Print nothing."""


@dataclass(frozen=True)
class Surveying:
    """The rules, in the first reading: no row is kept."""

    rules: RowRules
    needs_survey: bool = False

    def survey(self, row: Row) -> None:
        """Nothing: this is the survey."""

    def end_survey(self) -> None:
        """Nothing: this is the survey."""

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """Show the row to the rules."""
        self.rules.survey(row)
        return None

    def reject(self, where: str, error: FieldError) -> None:
        """Nothing: the second reading reports bad rows."""

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Nothing: the second reading reports such records."""
