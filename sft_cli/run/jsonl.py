"""JSON lines: UTF-8, keys in the order read, physical line numbers, gzip and zstd by the file's first bytes."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TextIO, cast

from sft_cli.run.errors import FieldError, UserError

# What 64 bits hold, with a sign or without one.
SMALLEST, LARGEST = -(1 << 63), 1 << 64
ENCODING_HINT = "sft prep --encoding NAME reads another encoding, as latin-1, cp1252, gb18030 or shift_jis"
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def open_bytes(path: str) -> IO[bytes]:
    """Open a file or stdin (`-`) for reading, decompressed if its first bytes say gzip or zstd."""
    try:
        raw: Any = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 (the caller closes it)
        start = raw.peek(4)[:4]
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror}") from error
    if start.startswith(GZIP_MAGIC):
        import gzip

        return cast(IO[bytes], gzip.open(raw, "rb"))
    if start.startswith(ZSTD_MAGIC):
        from sft_cli.run.zstd import ZstdReader

        try:
            return cast(IO[bytes], io.BufferedReader(ZstdReader(raw), buffer_size=1 << 17))
        except ImportError as error:
            raise UserError(f"{path}: zstd needs the package zstandard\nhint: pip install zstandard") from error
    return cast(IO[bytes], raw)


def read_jsonl(path: str) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (line number, object), or (line number, FieldError) for a line that is not a JSON object.

    Lines count from 1 and empty ones count; they are skipped. Raises UserError if the file cannot be read.
    """
    return read_objects(read_lines(path))


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a file or of stdin, as they are. Raises UserError if it cannot be read."""
    with open_bytes(path) as source:
        yield from lines_of(source, path)


def lines_of(source: IO[bytes], path: str) -> Iterator[bytes]:
    """The lines of a stream that is open already; `path` names it in the UserError if it is damaged."""
    number = 1
    try:
        for line in source:
            yield line
            number += 1
    except (OSError, EOFError, zlib.error) as error:  # a damaged or cut gzip or zstd file
        raise UserError(f"{path}:{number}: cannot read: {error}") from error


def read_objects(lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """What `read_jsonl` yields, of these lines, whose first has the number `first`."""
    import jsonlines

    numbered = _NumberedLines(lines, first - 1)
    reader = jsonlines.Reader(numbered, loads=loads)
    while True:
        try:
            value = reader.read(skip_empty=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            yield numbered.number, _not_an_object(error)
            continue
        if isinstance(value, dict):
            yield numbered.number, value
        else:
            yield numbered.number, FieldError("", f"expected a JSON object, got {type(value).__name__}")


class _NumberedLines:
    """Lines and the number of the last one given, which jsonlines keeps to itself."""

    def __init__(self, lines: Iterable[bytes], number: int) -> None:
        self.lines, self.number = lines, number

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            self.number += 1
            yield line


def _not_an_object(error: Any) -> FieldError:
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        byte = f"byte 0x{cause.object[cause.start]:02x} at {cause.start}"
        return FieldError("", f"expected a JSON object, got no UTF-8: {byte}, {cause.reason}", ENCODING_HINT)
    return FieldError("", f"expected a JSON object, got {_problem(error)}")


def _problem(error: Any) -> str:
    line = error.line if isinstance(error.line, str) else error.line.decode("utf-8", "replace")
    line = line.strip()
    what = str(error).split(" (line")[0].removeprefix("line contains ").removeprefix("line is ")
    return f"{what}: {line if len(line) <= 60 else line[:59] + '…'}"


def loads(text: str | bytes) -> Any:
    """What JSON says, each integer with all its digits; raises ValueError for what is not JSON.

    orjson alone makes floats of integers beyond 64 bits: two ids that differ in their last digits would be one.
    """
    import orjson

    value = orjson.loads(text)
    if not _holds_large(value, float):
        return value
    import json

    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply beside an integer of more than 64 bits") from None


def _holds_large(value: Any, kind: type) -> bool:
    """Whether a JSON value is, or holds anywhere, a number of this type that 64 bits do not hold."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        is_of = type(item)
        if is_of is dict:
            waiting.extend(item.values())
        elif is_of is list:
            waiting.extend(item)
        elif is_of is kind and not SMALLEST < item < LARGEST:
            return True
    return False


def as_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON, ending in a newline; a number that is not finite becomes null.

    Raises TypeError for what JSON cannot hold.
    """
    import orjson

    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode("utf-8")
    except TypeError:
        if not _holds_large(row, int):
            raise
        return orjson.dumps(_with_digits(row), option=orjson.OPT_APPEND_NEWLINE).decode("utf-8")


def _with_digits(value: Any) -> Any:
    """The value with integers that orjson refuses as the text of their digits."""
    import orjson

    if isinstance(value, dict):
        return {key: _with_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_digits(item) for item in value]
    return orjson.Fragment(str(value)) if _holds_large(value, int) else value


def write_row(sink: TextIO, row: dict[str, Any]) -> None:
    """Write one row as one line of JSON."""
    sink.write(as_line(row))


def count_lines(path: Path) -> int:
    """Number of newline characters in a file."""
    with open(path, "rb") as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
