"""JSON arrays and objects read piece by piece, in constant memory, with the line on which each record starts."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from sft_cli.run import jsonl
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import ENCODING_HINT, TOO_DEEP, is_too_deep

BYTES_READ = 1 << 18
WHITESPACE = re.compile(r"[ \t\n\r]*")
# An error at a literal or an escape that the end of the buffer cuts is at most this far before the end.
LONGEST_CUT = 12
WRAPPER = "data"
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*("|\\?\Z)|[][{}]', re.DOTALL)


class JsonWindow:
    """The part of a JSON text that is in memory. Values are decoded at its position, and the window moves forward."""

    def __init__(self, source: IO[bytes], path: str, chunk: int = BYTES_READ) -> None:
        self.source, self.path, self.chunk = source, path, chunk
        self.decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.scan = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self.buffer, self.position, self.line = "", 0, 1
        self.passed = 0  # number of characters before the buffer
        self.is_at_end = False

    def fail(self, problem: str, position: int | None = None) -> UserError:
        """An error that names the line of a position in the buffer (default: the current one)."""
        line = self.line + self.buffer.count("\n", self.position, self.position if position is None else position)
        return UserError(f"{self.path}:{line}: {problem}")

    def read_more(self) -> None:
        """Append a chunk to the buffer and drop the text before the position."""
        # At least as much as is already in the buffer, so that a value of many chunks is tried only a few times.
        size = max(self.chunk, len(self.buffer) - self.position)
        data = self.source.read1(size) if hasattr(self.source, "read1") else self.source.read(size)
        self.is_at_end = not data
        try:
            text = self.decode(data, self.is_at_end)
        except UnicodeDecodeError as error:
            problem = f"expected UTF-8, got {error.reason}\nhint: {ENCODING_HINT}"
            raise self.fail(problem, len(self.buffer)) from error
        self.buffer = self.buffer[self.position :] + text
        self.passed += self.position
        self.position = 0

    def advance(self, end: int) -> None:
        """Move forward to a position in the buffer, and count the lines."""
        self.line += self.buffer.count("\n", self.position, end)
        self.position = end

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            match = WHITESPACE.match(self.buffer, self.position)
            self.advance(match.end() if match else self.position)
            if self.position < len(self.buffer) or self.is_at_end:
                return self.buffer[self.position : self.position + 1]
            self.read_more()

    def value(self) -> Any:
        """Decode the value that starts here; raises UserError if the text is not JSON."""
        self.peek()
        while True:
            try:
                value, end = self.scan(self.buffer, self.position)
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or error.pos >= len(self.buffer) - LONGEST_CUT
                if self.is_at_end or not is_cut:
                    raise self.fail(f"not JSON: {error.msg}", error.pos) from error
            except RecursionError:
                self.skip()
                return FieldError("", f"expected a flatter object, got one {TOO_DEEP}")
            except ValueError as error:
                raise self.fail(f"not JSON: {error}") from error
            else:
                # 1 can be the start of 12, 1.5 or 1e+3.
                is_cut = type(value) in (int, float) and end >= len(self.buffer) - 2
                if self.is_at_end or not is_cut:
                    self.advance(end)
                    return (
                        FieldError("", f"expected a flatter object, got one {TOO_DEEP}")
                        if is_too_deep(value)
                        else value
                    )
            self.read_on()

    def read_on(self) -> None:
        """Append a chunk for a value that is not yet whole; raises UserError if it is now too long."""
        self.check_length(len(self.buffer) - self.position)
        self.read_more()

    def check_length(self, length: int) -> None:
        """Raise UserError if a record is longer than --max-line-bytes."""
        if length > jsonl.most_line_bytes:
            raise self.fail(jsonl.too_long())

    def skip(self) -> None:
        """Move to the end of the list or object here, without building it; raises UserError if it has no end."""
        depth = 0
        while True:
            end = self.position
            for match in BRACKETS.finditer(self.buffer, self.position):
                if match[1] not in (None, '"'):  # a string that continues in the next chunk
                    break
                depth += (match[0] in "[{") - (match[0] in "]}")
                end = match.end()
                if depth == 0:
                    return self.advance(end)
            self.advance(end)
            if self.is_at_end:
                raise self.fail("not JSON: the file ends inside a value")
            self.read_on()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def split_json(source: IO[bytes], path: str, chunk: int = BYTES_READ) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) for each record of a JSON file: an array, {"data": [...]}, or objects one after another."""
    window = JsonWindow(source, path, chunk)
    while start := window.peek():
        if start == "[":
            yield from _elements(window)
            if rest := window.peek():
                raise window.fail(f"not JSON: expected the end of the file after the array, got {shown(rest)}")
        elif start == "{":
            yield from _members(window)
        else:
            raise window.fail(f"expected a JSON array or object, got {shown(window.buffer[window.position :][:20])}")


def _elements(window: JsonWindow) -> Iterator[tuple[int, Any]]:
    window.advance(window.position + 1)
    if window.peek() == "]":
        window.advance(window.position + 1)
        return
    while True:
        window.peek()
        line = window.line
        yield line, window.value()
        if _separator(window, "]") == "]":
            return


def _members(window: JsonWindow) -> Iterator[tuple[int, Any]]:
    """One object, or the elements of the array under its key `data` (its other keys describe the file)."""
    line, is_wrapper = window.line, False
    begin = window.passed + window.position
    record: dict[str, Any] = {}
    window.advance(window.position + 1)
    if window.peek() == "}":
        window.advance(window.position + 1)
        yield line, record
        return
    while True:
        key = window.value()
        if not isinstance(key, str) or window.peek() != ":":
            raise window.fail("not JSON: expected a key in quotes and a colon")
        window.advance(window.position + 1)
        if key == WRAPPER and window.peek() == "[":
            is_wrapper = True
            yield from _elements(window)
        else:
            record[key] = window.value()
            if not is_wrapper:
                window.check_length(window.passed + window.position - begin)
        if _separator(window, "}") == "}":
            break
    if not is_wrapper:
        yield line, record


def _separator(window: JsonWindow, closing: str) -> str:
    character = window.peek()
    if character not in (",", closing) or not character:
        got = f"got {shown(character)}" if character else "got the end of the file"
        raise window.fail(f'not JSON: expected "," or "{closing}", {got}')
    window.advance(window.position + 1)
    return character
