"""From a row that is kept to the rows that are written: one or several, as rows or in the format of --to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sft_cli.data.finished import finished_line
from sft_cli.data.row_rules import TakesRows
from sft_cli.data.rows import Row
from sft_cli.data.writers import WRITERS
from sft_cli.data.writers.protocol import FormatWriter
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger


class GoodRow(NamedTuple):
    """A row that is kept."""

    row: Row
    split_by: Row  # its content decides the part of --split
    written: Row  # as `sft prep` writes it
    line: str  # the same, or the record of --to
    left_out: list[str]  # what the format of --to does not have


def writer_for(name: str | None) -> FormatWriter | None:
    """The writer of --to; None to write rows."""
    writer: FormatWriter | None = WRITERS.load(name)() if name else None
    return writer


@dataclass
class MadeRows:
    """Makes what is written, and counts what changes."""

    writer: FormatWriter | None
    ledger: Ledger
    rules: TakesRows | None = None
    refuses: bool = False  # whether the format of --to refused the last row

    def of(self, where: str, kept: Row, finish: Callable[[Row], Row]) -> list[GoodRow]:
        """The rows to write for a row that is kept; raises FieldError for what cannot be written."""
        self.refuses = False
        rows = self.rules.rows_of(where, kept, self.ledger) if self.rules else [kept]
        split_by = self.rules.split_by(kept) if self.rules else kept
        made = [self._good_row(row, split_by, finish(row)) for row in rows]
        if len(made) > 1:
            self.ledger.count("added: --expand-turns: further rows", len(made) - 1)
        if self.rules and self.writer:
            for good in made:
                for what in good.left_out:
                    self.rules.change(where, self.ledger, f"--to {self.writer.name}", what)
        return made

    def _good_row(self, row: Row, split_by: Row, written: Row) -> GoodRow:
        if self.writer is None:
            return GoodRow(row, split_by, written, finished_line(written), [])
        try:
            record, left_out = self.writer.record(written)
        except FieldError:
            self.refuses = True
            raise
        return GoodRow(row, split_by, written, finished_line(record), list(dict.fromkeys(left_out)))
