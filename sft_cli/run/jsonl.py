"""JSON lines: UTF-8, keys in the order read, physical line numbers, gzip and zstd by the file's first bytes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TextIO, cast

from sft_cli.run.errors import FieldError, UserError

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def open_bytes(path: str) -> IO[bytes]:
    """Open a file or stdin (`-`) for reading, decompressed if its first bytes say gzip or zstd."""
    try:
        raw: Any = sys.stdin.buffer if path == "-" else open(path, "rb")
        start = raw.peek(4)[:4]
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror}") from error
    if start.startswith(GZIP_MAGIC):
        import gzip

        return cast(IO[bytes], gzip.open(raw, "rb"))
    if start.startswith(ZSTD_MAGIC):
        try:
            import zstandard
        except ImportError as error:
            raise UserError(f"{path}: zstd needs the package zstandard\nhint: pip install zstandard") from error
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return cast(IO[bytes], raw)


def read_jsonl(path: str) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (line number, object), or (line number, FieldError) for a line that is not a JSON object.

    Lines count from 1 and empty ones count; they are skipped. Raises UserError if the file cannot be read.
    """
    with open_bytes(path) as source:
        yield from read_objects(source, path)


def read_objects(source: IO[bytes], path: str) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """What `read_jsonl` yields, from a stream that is open already; `path` names it in errors."""
    import jsonlines
    import orjson

    reader = jsonlines.Reader(source, loads=orjson.loads)
    while True:
        try:
            line = _next_object(reader)
        except (OSError, EOFError) as error:
            raise UserError(f"{path}: cannot read: {error}") from error
        if line is None:
            return
        yield line


def _next_object(reader: Any) -> tuple[int, dict[str, Any] | FieldError] | None:
    import jsonlines

    try:
        value = reader.read(skip_empty=True)
        number = reader._lineno  # jsonlines keeps the physical line to itself, except in its errors
    except EOFError:
        return None
    except jsonlines.InvalidLineError as error:
        return error.lineno, FieldError("", f"expected a JSON object, got {_problem(error)}")
    if not isinstance(value, dict):
        return number, FieldError("", f"expected a JSON object, got {type(value).__name__}")
    return number, value


def _problem(error: Any) -> str:
    line = error.line if isinstance(error.line, str) else error.line.decode("utf-8", "replace")
    line = line.strip()
    return f"{str(error).split(' (line')[0]}: {line if len(line) <= 60 else line[:59] + '…'}"


def as_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON, ending in a newline. NaN and infinities are an error, never null."""
    import orjson

    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode("utf-8")


def write_row(sink: TextIO, row: dict[str, Any]) -> None:
    """Write one row as one line of JSON."""
    sink.write(as_line(row))


def count_lines(path: Path) -> int:
    """Number of newline characters in a file."""
    with open(path, "rb") as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
