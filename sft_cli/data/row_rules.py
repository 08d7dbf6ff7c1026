"""How rules take part in a conversion: they drop or change rows between the conversion and the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger

# Takes notice of a record that becomes no row: its place, the flag that leaves it out, and the reason.
LeavesOut = Callable[[str, str, str], None]


class TakesRows(Protocol):
    """What is done with each converted row."""

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row to write, or None; what was done is counted."""
        ...

    def rows_of(self, where: str, row: Row, ledger: Ledger) -> list[Row]:
        """The rows to write for a row that is kept; what was done is counted."""
        ...

    def split_by(self, row: Row) -> Row:
        """The row by whose content --split chooses the part of a row that is kept."""
        ...

    def change(self, where: str, ledger: Ledger, rule: str, reason: str) -> None:
        """Count a change of a row that is written."""
        ...

    def reject(self, where: str, error: FieldError) -> None:
        """Take notice of a bad row."""
        ...

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Take notice of a record that becomes no row."""
        ...


class RowRules(TakesRows, Protocol):
    """Rules that drop or change rows (`curation.rules.Rules`)."""

    @property
    def needs_survey(self) -> str:
        """The flag that must see all rows before the first is kept; empty if there is none, or none any more."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether each row becomes one row or none; of the others only equal ones matter."""
        ...

    def survey(self, where: str, row: Row) -> None:
        """Take notice of a row, in a reading before the last."""
        ...

    def end_survey(self) -> None:
        """The flag of `needs_survey` has seen all rows."""
        ...

    def kept_alone(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row after the rules that need no other row, or None; what was done is counted."""
        ...

    @property
    def finds_repeats(self) -> bool:
        """Whether duplicates are looked for."""
        ...

    def drop_repeat(self, where: str, ledger: Ledger) -> None:
        """Count a row whose content came before."""
        ...

    def for_blocks(self) -> RowRules:
        """The same rules for another process: what they do is in `done`."""
        ...

    def done(self) -> Any:
        """What the rules did since the last call, in a form that can be pickled."""
        ...

    def take(self, other: Any) -> None:
        """Add what the same rules did in another process."""
        ...


@dataclass(frozen=True)
class Surveying:
    """The rules, in a reading before the last: no row is kept, and the last reading reports what is wrong."""

    rules: RowRules

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """Show the row to the rules."""
        self.rules.survey(where, row)
        return None

    def rows_of(self, where: str, row: Row, ledger: Ledger) -> list[Row]:
        """Nothing: no row is kept."""
        return []

    def split_by(self, row: Row) -> Row:
        """The row: no row is kept."""
        return row

    def change(self, where: str, ledger: Ledger, rule: str, reason: str) -> None:
        """Nothing: no row is kept."""

    def reject(self, where: str, error: FieldError) -> None:
        """Nothing."""

    def leave_out(self, where: str, rule: str, reason: str) -> None:
        """Nothing."""


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
