"""The words of an index and their numbers, found in a sorted file without loading it."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from sft_cli.evidence.index.arrays import mapped_array, new_array

WORDS_FILE = "words.txt"


class NumberedWords(dict[str, int]):
    """Gives each new word the next number."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def write_words(folder: Path, words: dict[str, int]) -> None:
    """Write the words one after another, sorted by their UTF-8 bytes, with their ends and their numbers."""
    import numpy

    named = sorted((word.encode(), number) for word, number in words.items())
    (folder / WORDS_FILE).write_bytes(b"".join(name for name, _ in named))
    ends, numbers = new_array(folder, "name_ends", len(named)), new_array(folder, "name_words", len(named))
    ends[:] = numpy.cumsum([len(name) for name, _ in named], dtype=numpy.uint64)
    numbers[:] = [number for _, number in named]


class Vocabulary:
    """The number of each word of an index; a word takes about twenty looks into the file."""

    def __init__(self, folder: Path) -> None:
        self.ends, self.numbers = mapped_array(folder, "name_ends"), mapped_array(folder, "name_words")
        self.names: Any = b""
        if len(self.ends):
            with open(folder / WORDS_FILE, "rb") as file:
                self.names = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.known: dict[str, int | None] = {}

    def number(self, word: str) -> int | None:
        """The number of a word; None if no passage has it."""
        if word not in self.known:
            self.known[word] = self._find(word.encode())
        return self.known[word]

    def all(self) -> NumberedWords:
        """Every word with its number, in the order of the numbers."""
        named = sorted((int(self.numbers[place]), self._name(place).decode()) for place in range(len(self.ends)))
        return NumberedWords((word, number) for number, word in named)

    def _name(self, place: int) -> bytes:
        start = int(self.ends[place - 1]) if place else 0
        return bytes(self.names[start : int(self.ends[place])])

    def _find(self, name: bytes) -> int | None:
        low, high = 0, len(self.ends)
        while low < high:
            middle = (low + high) // 2
            if self._name(middle) < name:
                low = middle + 1
            else:
                high = middle
        return int(self.numbers[low]) if low < len(self.ends) and self._name(low) == name else None
