"""Whether the files of an index are those that were written: their sizes, and a hash of parts of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Read of each file when an index is opened, so that a large index opens at once: a file of up to 256 KiB as a whole.
PARTS, PART_BYTES = 64, 1 << 12


def file_marks(folder: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    """For each file of a folder: its size in bytes, and the SHA-256 of 64 parts of it, from the first to the last."""
    return {name: _mark(folder / name) for name in names}


def check_files(folder: Path, names: Iterable[str], marks: dict[str, Any]) -> None:
    """Raise ValueError, naming the file, if a file is not as long as it was, or has other content.

    In a file of more than 256 KiB, a change between the parts that are compared is not found.
    """
    for name in names:
        expected, got = marks.get(name), _mark(folder / name)
        if not isinstance(expected, list) or len(expected) != 2:
            raise ValueError(f"{name}: index.json does not give the size of this file")
        if got[0] != expected[0]:
            raise ValueError(f"{name}: expected {expected[0]:,} bytes, got {got[0]:,}")
        if got != expected:
            raise ValueError(f"{name}: its content changed")


def _mark(path: Path) -> list[Any]:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        if size <= PARTS * PART_BYTES:
            digest.update(source.read())
        else:
            for part in range(PARTS):
                source.seek(part * (size - PART_BYTES) // (PARTS - 1))
                digest.update(source.read(PART_BYTES))
    return [size, digest.hexdigest()]
