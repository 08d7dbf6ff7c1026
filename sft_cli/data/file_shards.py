"""Byte ranges of large files of lines, for machines that read them from shared storage."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, cast

from sft_cli.data.line_blocks import LineBlock, line_blocks
from sft_cli.run.jsonl import open_bytes

SHARD_BYTES = 32 << 20
COMPRESSED_FILES = (".gz", ".zst")


@dataclass(frozen=True)
class FileShard:
    """The lines of a file that begin in bytes start to stop. first: the number of the first of them, from 1.

    A compressed file is one shard, and `stop` is 0.
    """

    path: str
    start: int
    stop: int
    first: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole file that cannot be cut."""
        return not self.stop

    def count_lines(self) -> int:
        """The number of lines that begin in the shard."""
        if self.is_whole:
            with open_bytes(self.path) as source:
                return sum(len(block.lines()) for block in line_blocks(source, self.path))
        with open(self.path, "rb") as source:
            source.seek(max(self.start - 1, 0))
            left, count = self.stop - 1 - max(self.start - 1, 0), int(self.start == 0 and self.stop > 0)
            while left > 0 and (data := source.read(min(left, 1 << 20))):
                left -= len(data)
                count += data.count(b"\n")
        return count

    def blocks(self) -> Iterator[LineBlock]:
        """The lines in blocks, with their numbers in the file."""
        if self.is_whole:
            with open_bytes(self.path) as source:
                yield from line_blocks(source, self.path)
            return
        with open(self.path, "rb") as source:
            if self.start:
                source.seek(self.start - 1)
                source.readline()  # the end of a line of the shard before
            yield from (
                block._replace(first=block.first + self.first - 1)
                for block in line_blocks(cast("IO[bytes]", _Until(source, self.stop)), self.path)
            )


class _Until(io.BufferedIOBase):
    """A file whose lines end with the first that begins at `stop` or later."""

    def __init__(self, source: io.BufferedReader, stop: int) -> None:
        self.source, self.stop = source, stop
        self.is_inside = False  # a line whose rest is still to be read

    def readline(self, size: int | None = -1) -> bytes:
        """The next line, or `size` bytes of it; nothing after the last line."""
        if not self.is_inside and self.source.tell() >= self.stop:
            return b""
        line = self.source.readline(-1 if size is None else size)
        self.is_inside = bool(line) and not line.endswith(b"\n")
        return line


def shards_of(path: str, size: int | None = None) -> list[FileShard]:
    """The shards of a file, of `size` bytes [default: SHARD_BYTES], without the numbers of their first lines."""
    size, path = size or SHARD_BYTES, os.path.abspath(path)
    if path.endswith(COMPRESSED_FILES):
        return [FileShard(path, 0, 0)]
    total = os.stat(path).st_size
    return [FileShard(path, start, min(start + size, total)) for start in range(0, total, size)]


def with_first_lines(shards: list[FileShard], counts: list[int]) -> list[FileShard]:
    """The shards of a file with the numbers of their first lines, from how many lines each has."""
    first, known = 1, []
    for shard, count in zip(shards, counts, strict=True):
        known.append(replace(shard, first=first))
        first += count
    return known
