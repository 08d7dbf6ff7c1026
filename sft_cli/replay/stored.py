"""Rows that wait on disk until the choice is made."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, overload

from sft_cli.data.rows import Row
from sft_cli.run.jsonl import as_line, loads


class Store:
    """A temporary file with one row on each line; it disappears with the process."""

    def __init__(self) -> None:
        self.file: Any = tempfile.TemporaryFile()  # noqa: SIM115 (open while the rows are needed)
        self.end = 0

    def add(self, row: Row) -> int:
        """Write a row and return its place, which is higher than the places of earlier rows."""
        place, line = self.end, as_line(row).encode("utf-8")
        self.file.seek(0, 2)
        self.file.write(line)
        self.end += len(line)
        return place

    def line(self, place: int) -> bytes:
        """The line that was written at a place."""
        self.file.seek(place)
        return bytes(self.file.readline())


class StoredRows(Sequence[Row]):
    """Some rows of a store; each is read when it is used."""

    def __init__(self, store: Store, places: Sequence[int]) -> None:
        self.store, self.places = store, array("q", places)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Row]:
        return (self[number] for number in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    @overload
    def __getitem__(self, number: int) -> Row: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Row]: ...

    def __getitem__(self, number: int | slice) -> Row | Sequence[Row]:
        if isinstance(number, slice):
            return StoredRows(self.store, self.places[number])
        row: Row = loads(self.store.line(self.places[number]))
        return row
