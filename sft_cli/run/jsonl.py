"""JSON lines: UTF-8, keys in the order read, physical line numbers, gzip and zstd by the file's first bytes."""

from __future__ import annotations

import io
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TextIO, cast

from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.text import shorten

ENCODING_HINT = "sft prep --encoding NAME reads another encoding, such as latin-1, cp1252, gb18030 or shift_jis"
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# orjson reads 1 024 levels and writes 254. With this limit a row around the value can still be written.
MOST_NESTED = 200
TOO_DEEP = f"nested more than {MOST_NESTED} levels deep"
# After what comes before a number in a list or an object: otherwise each digit of each number starts a search.
LONG_NUMBER = re.compile(r"[:,\[\s-][0-9]{19}")
# Two million tokens of English. JSON can take thirty times its bytes in memory: `[[],[],…` of this size takes 280 MB.
MOST_LINE_BYTES = 8 << 20
most_line_bytes = MOST_LINE_BYTES  # of this process: set by --max-line-bytes


def limit_lines(most: int) -> None:
    """Set the most bytes of a line, or of a record of a JSON file, that are read into memory."""
    global most_line_bytes
    most_line_bytes = most


def open_bytes(path: str) -> IO[bytes]:
    """Open a file or stdin (`-`) for reading; decompress it if its first bytes are those of gzip or zstd."""
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
    """The lines of an open stream; `path` is its name in the UserError if the stream is damaged.

    A line longer than `--max-line-bytes` is yielded as a TooLong; the rest of it is not kept in memory.
    """
    number, most = 1, most_line_bytes
    try:
        while line := source.readline(most + 1):
            if len(line) > most:
                line = _skip_rest(source, line)
            yield line
            number += 1
    except (OSError, EOFError, zlib.error) as error:  # a damaged or cut gzip or zstd file
        raise UserError(f"{path}:{number}: cannot read: {error}") from error


class TooLong(bytes):
    """The beginning of a line that is longer than `--max-line-bytes`."""


def _skip_rest(source: IO[bytes], line: bytes) -> TooLong:
    start = TooLong(line[:100])
    while line and not line.endswith(b"\n"):
        line = source.readline(1 << 20)
    return start


def too_long() -> str:
    """The error and the cure for a line that is too long."""
    return f"expected at most {most_line_bytes:,} bytes, got more; --max-line-bytes N allows longer ones"


class BoundedLines(io.RawIOBase):
    """A stream that raises UserError, naming `path:line`, at a line longer than `--max-line-bytes`."""

    def __init__(self, source: IO[bytes], path: str) -> None:
        self.source, self.path = source, path
        self.line, self.length = 1, 0

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what the source returns at once; return the number of bytes, 0 at the end."""
        data = self.source.read1(len(buffer)) if hasattr(self.source, "read1") else self.source.read(len(buffer))
        buffer[: len(data)] = data
        if self.length + len(data) > most_line_bytes:  # otherwise no line can be too long
            self._check(data)
        newlines = data.count(b"\n")
        self.length = len(data) - data.rfind(b"\n") - 1 if newlines else self.length + len(data)
        self.line += newlines
        return len(data)

    def _check(self, data: bytes) -> None:
        length = self.length
        for number, part in enumerate(data.split(b"\n"), start=self.line):
            if length + len(part) > most_line_bytes:
                raise UserError(f"{self.path}:{number}: {too_long()}")
            length = 0


def bounded(source: IO[bytes], path: str) -> IO[bytes]:
    """The stream, with `--max-line-bytes` as the limit of each line."""
    return cast(IO[bytes], io.BufferedReader(BoundedLines(source, path), buffer_size=1 << 17))


def loads(source: str | bytes) -> Any:
    """The value of a JSON text; whole numbers of any length keep all their digits.

    Raises ValueError with the reason, also if the text is nested too deeply to be written again.
    """
    import orjson

    value = orjson.loads(source)
    if isinstance(value, dict) and set(map(type, value.values())) <= {str}:
        return value  # texts alone: no number, and no level below
    text = source if isinstance(source, str) else source.decode("utf-8")
    if text.count("[") + text.count("{") > MOST_NESTED and is_too_deep(value):
        raise ValueError(TOO_DEEP)
    # orjson turns a whole number that needs more than 64 bits into a float.
    is_alone = not isinstance(value, (dict, list))
    return json.loads(text) if is_alone or LONG_NUMBER.search(text) else value


def is_too_deep(value: Any) -> bool:
    """Whether a value has more levels of lists and objects than `MOST_NESTED`."""
    open_values = [iter((value,))]
    while open_values:
        inner = next((each for each in open_values[-1] if isinstance(each, (dict, list))), None)
        if inner is None:
            open_values.pop()
        elif len(open_values) > MOST_NESTED:
            return True
        else:
            open_values.append(iter(inner.values() if isinstance(inner, dict) else inner))
    return False


def read_objects(lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Like `read_jsonl`, from these lines; the first has the number `first`."""
    for number, line in enumerate(lines, first):
        if isinstance(line, TooLong):
            yield number, FieldError("", too_long())
            continue
        try:
            value = loads(line)
        except ValueError:  # also not UTF-8
            value = _read_by_jsonlines(line)
            if value is None:
                continue
        if isinstance(value, (dict, FieldError)):
            yield number, value
        else:
            yield number, FieldError("", f"expected a JSON object, got {type(value).__name__}")


def _read_by_jsonlines(line: bytes) -> Any:
    """The value of a line that orjson alone does not read: with a byte order mark, or bad; None if it is empty."""
    import jsonlines

    try:
        return jsonlines.Reader([line], loads=loads).read(skip_empty=True)
    except EOFError:
        return None
    except jsonlines.InvalidLineError as error:
        return _not_an_object(error)


def _not_an_object(error: Any) -> FieldError:
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        byte = f"byte 0x{cause.object[cause.start]:02x} at {cause.start}"
        return FieldError("", f"expected a JSON object in UTF-8, got {byte}: {cause.reason}", ENCODING_HINT)
    return FieldError("", f"expected a JSON object, got {_problem(error)}")


def _problem(error: Any) -> str:
    line = error.line if isinstance(error.line, str) else error.line.decode("utf-8", "replace")
    line = line.strip()
    what = str(error).split(" (line")[0].removeprefix("line contains ").removeprefix("line is ")
    return f"{what}: {shorten(line, 60)}"


def as_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON with a newline; a number that is not finite becomes null.

    Raises FieldError, naming the key, for a value without a form in JSON: bytes of an image, half a surrogate pair.
    """
    try:
        return _dumps(row)
    except (TypeError, ValueError) as error:
        name = next((key for key, value in row.items() if not _is_json(value)), "")
        raise FieldError(name, f"cannot be written as JSON: {error}") from error


def _dumps(row: dict[str, Any]) -> str:
    import orjson

    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode("utf-8")
    except TypeError as error:
        if not str(error).startswith("Integer exceeds 64-bit"):
            raise
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    text.encode("utf-8")
    return text


def _is_json(value: Any) -> bool:
    try:
        _dumps({"value": value})
    except (TypeError, ValueError):
        return False
    return True


def write_row(sink: TextIO, row: dict[str, Any]) -> None:
    """Write one row as one line of JSON."""
    sink.write(as_line(row))


def count_lines(path: Path) -> int:
    """Number of newline characters in a file."""
    with open(path, "rb") as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
