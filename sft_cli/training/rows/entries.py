"""Rows as training reads them: batches in the order read, with the rejected ones in their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sft_cli.data.rows import read_rows, stems
from sft_cli.run.errors import FieldError
from sft_cli.run.ledger import Ledger

BATCH_ROWS, BATCH_CHARACTERS = 512, 4 << 20  # rows that are encoded together


@dataclass(frozen=True)
class Entry:
    """One row in the order of reading: `file:line`, and its error if it was rejected."""

    where: str
    row: Any
    error: FieldError | None = None


class OrderedLedger(Ledger):
    """Collects the entries of a reader for the ledger, so that its errors stay in order with those of encoding."""

    def __init__(self, ledger: Ledger, entries: list[Entry]) -> None:
        super().__init__(ledger.on_error, hint=ledger.hint)
        self.ledger, self.entries = ledger, entries

    def count(self, what: str, rows: int = 1) -> None:
        """Add rows to a line of the real ledger."""
        self.ledger.count(what, rows)

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Store a bad row."""
        self.entries.append(Entry(where, raw, error))


def training_rows(paths: list[str], ledger: Ledger, limit: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`file:line`, row) of rows with something to learn.

    A row without a task gets the stem of its file as its task.
    """
    names = {"<stdin>" if path == "-" else path: stem for path, stem in zip(paths, stems(paths), strict=True)}
    for where, row in read_rows(paths, ledger, limit, need="target"):
        yield where, row if row.get("task") else {**row, "task": names[where.rpartition(":")[0]]}


def row_batches(paths: list[str], ledger: Ledger, limit: int | None) -> Iterator[list[Entry]]:
    """Rows and rejected rows in the order of reading, some at a time."""
    entries: list[Entry] = []
    ordered = OrderedLedger(ledger, entries)
    characters = 0
    for where, row in training_rows(paths, ordered, limit):
        entries.append(Entry(where, row))
        texts = row["messages"] if "messages" in row else [{"content": row["text"]}]
        characters += sum(len(message.get("content") or "") for message in texts)
        if len(entries) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield entries.copy()
            entries.clear()
            characters = 0
    ledger.hint = ledger.hint or ordered.hint
    if entries:
        yield entries
