"""Flat arrays in files: appended while an index is built, mapped into memory when it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

# Each array of an index, and the type of its numbers.
ARRAY_TYPES = {
    "text_ends": "u8",  # [passages]: where the line of each passage ends in passages.jsonl
    "lengths": "u4",  # [passages]: its words
    "row_ends": "u8",  # [passages]: where its entries end in row_words and row_counts
    "row_words": "u4",  # [entries]: the distinct words of each passage
    "row_counts": "u4",  # [entries]: how often the passage has each
    "word_starts": "u8",  # [words + 1]: where the entries of each word begin in word_passages and word_scores
    "word_passages": "i4",  # [entries]: the passages that have each word
    "word_scores": "f4",  # [entries]: BM25 of the word in each of these passages
    "name_ends": "u8",  # [words]: where each word ends in words.txt, in the order of their bytes
    "name_words": "u4",  # [words]: the number of each of these words
    "vectors": "f4",  # [passages × width]: the embedding of each passage
}
APPENDED = ("text_ends", "lengths", "row_ends", "row_words", "row_counts")


def array_file(folder: Path, name: str) -> Path:
    """The file of an array."""
    return folder / f"{name}.{ARRAY_TYPES[name]}"


def mapped_array(folder: Path, name: str) -> Any:
    """The array, read from its file as it is used; empty if the file is."""
    import numpy

    path = array_file(folder, name)
    if not path.stat().st_size:
        return numpy.zeros(0, dtype=ARRAY_TYPES[name])
    # A plain array over the map: numpy's class for maps costs more than a small sum.
    return numpy.memmap(path, dtype=ARRAY_TYPES[name], mode="r").view(numpy.ndarray)


def new_array(folder: Path, name: str, size: int) -> Any:
    """An array of zeros in a new file, mapped into memory, to be filled in any order.

    Raises OSError if the disk is full: a file of holes would end the process at the write that does not fit.
    """
    import numpy

    path = array_file(folder, name)
    if size == 0:
        path.write_bytes(b"")
        return numpy.zeros(0, dtype=ARRAY_TYPES[name])
    with open(path, "wb") as file:
        length = size * numpy.dtype(ARRAY_TYPES[name]).itemsize
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        else:  # macOS
            file.truncate(length)
    return numpy.memmap(path, dtype=ARRAY_TYPES[name], mode="r+", shape=(size,))


class Appended(NamedTuple):
    """A file that is written at its end, and cut where a stopped run left off."""

    file: Any

    @classmethod
    def open(cls, path: Path, size: int) -> Appended:
        """The file with its first `size` bytes; raises EOFError if it is shorter."""
        file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 (closed by the builder)
        if file.seek(0, os.SEEK_END) < size:
            raise EOFError(f"{path}: shorter than {size:,} bytes")
        file.truncate(size)
        file.seek(size)
        return cls(file)

    def save(self) -> int:
        """Write everything to the disk; return the size of the file in bytes."""
        self.file.flush()
        os.fsync(self.file.fileno())
        return int(self.file.tell())
