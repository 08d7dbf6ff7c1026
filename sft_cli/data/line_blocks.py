"""Lines of a file in blocks of about a megabyte, for other processes to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

from sft_cli.run import jsonl
from sft_cli.run.jsonl import TooLong, lines_of

BLOCK_BYTES = 1 << 20


class LineBlock(NamedTuple):
    """Whole lines. first: the number of the first one. is_cut: the last is longer than --max-line-bytes, and cut."""

    first: int
    data: bytes
    is_cut: bool = False

    def lines(self) -> list[bytes]:
        """The lines; one that is too long as TooLong."""
        lines = self.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if self.is_cut:
            lines[-1] = TooLong(lines[-1])
        return lines if len(self.data) <= jsonl.most_line_bytes else [_limited(line) for line in lines]


def _limited(line: bytes) -> bytes:
    return line if len(line) < jsonl.most_line_bytes else TooLong(line[:100])


def line_blocks(source: IO[bytes], path: str) -> Iterator[LineBlock]:
    """The lines of an open stream, in order; `path` is its name in the UserError if the stream is damaged."""
    first, size, waiting = 1, 0, []
    for line in lines_of(source, path):
        waiting.append(line)
        size += len(line)
        if size >= BLOCK_BYTES or isinstance(line, TooLong):
            yield LineBlock(first, b"".join(waiting), isinstance(line, TooLong))
            first, size, waiting = first + len(waiting), 0, []
    if waiting:
        yield LineBlock(first, b"".join(waiting))
