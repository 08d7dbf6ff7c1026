"""What a user should know of rows that train all the same: odd ones, and how many have a system text."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sft_cli.run.text import counted

MOST_TEXTS = 1000  # different texts to count; a different text for each row would fill the memory
LONGEST = 200  # characters of a text to keep

LINE_BITS = 40  # of a place, which combines the number of a file and of a line


class RowNotes:
    """Reads each row of some files; keeps 16 bytes of each."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[int, str]] = {}
        self._hashes, self._places = array("q"), array("q")
        self._files: dict[str, int] = {}

    def add(self, where: str, row_id: str, notes: Iterable[str]) -> None:
        """Note a row: `where` is `file:line`, each note ends the sentence `3 rows …`."""
        for note in notes:
            rows, first = self._notes.get(note, (0, where))
            self._notes[note] = (rows + 1, first)
        file, _, line = where.rpartition(":")
        self._hashes.append(hash(row_id))
        self._places.append(self._files.setdefault(file, len(self._files)) << LINE_BITS | int(line))

    def lines(self) -> list[str]:
        """One line for each note."""
        lines = [f"{counted(rows, 'row')} {note}; first {first}" for note, (rows, first) in self._notes.items()]
        return [*lines, *self._repeated()]

    def _repeated(self) -> Iterator[str]:
        hashes = np.frombuffer(self._hashes, dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        again = order[1:][hashes[order][1:] == hashes[order][:-1]]
        if len(again):
            second = int(again.min())
            first = int(np.flatnonzero(hashes == hashes[second])[0])
            yield (
                f"{counted(len(again), 'row')} with the id of an earlier row; "
                f"the first is {self._where(second)}, which repeats {self._where(first)}"
            )

    def _where(self, row: int) -> str:
        place = self._places[row]
        return f"{list(self._files)[place >> LINE_BITS]}:{place & ((1 << LINE_BITS) - 1)}"


@dataclass
class SystemTexts:
    """Counts conversations and those with a system turn, and keeps the beginning of the most common one."""

    conversations: int = 0
    with_system: int = 0
    heads: Counter[str] = field(default_factory=Counter)

    def add(self, row: dict[str, Any]) -> None:
        """Count a row; raw text does not count."""
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
        """The facts for the manifest."""
        head = self.heads.most_common(1)[0][0] if self.heads else ""
        return {"conversations": self.conversations, "with_system": self.with_system, "commonest": head}
