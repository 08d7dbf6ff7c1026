"""CSV and TSV: the separator is detected, cells with lists are JSON."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from sft_cli.run import jsonl
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import loads

# Possible separators, and their names in messages.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# Fields of a table that have lists: their cells are JSON.
JSON_COLUMNS = frozenset({"references", "choices", "messages", "conversations", "conversation", "tools", "history"})
# The first line with which Excel names the separator.
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
SAMPLE_LINES = 20


def read_delimiter(text: str) -> str:
    """The character that `--delimiter` names; `tab` and `\\t` mean a tab."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(delimiter) > 1 or delimiter in ('"', "\n", "\r"):
        raise UserError(f"--delimiter: expected one character or tab, got {text!r}")
    return delimiter


def read_table(
    source: IO[bytes], usual: str, delimiter: str, path: str, say: Callable[[str], None]
) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (line, record or error) of a table with a header.

    The separator is `delimiter`; if that is empty, the character that splits the first lines evenly, which is reported
    if it is unusual. Raises UserError for a header without names and for a quote that is never closed.
    """
    csv.field_size_limit(jsonl.most_line_bytes)
    head = cast(Any, source).peek(1 << 16).decode("utf-8", "ignore").removeprefix("\ufeff")
    text = io.TextIOWrapper(cast(Any, source), encoding="utf-8-sig", newline="")
    end = 0
    if declared := SEPARATOR_LINE.match(head):
        text.readline()
        delimiter, end = delimiter or declared[1], 1
    elif not delimiter:
        delimiter = find_delimiter(head, usual)
        if delimiter != usual:
            say(f"{path}: fields are separated by {DELIMITERS[delimiter]}")
    # strict: a quote that is never closed is an error, not one cell with the rest of the file.
    table = csv.reader(text, delimiter=delimiter, strict=True)
    first = end
    header: list[str] | None = None
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            problem = jsonl.too_long() if "field limit" in str(error) else f"not a table: {error}"
            raise UserError(f"{path}:{end + 1}: {problem}") from error
        line, end = end + 1, first + table.line_num
        if not cells:
            continue
        if header is None:
            header = header_of(cells, f"{path}:{line}")
        elif len(cells) != len(header):
            yield line, FieldError("", f"expected {len(header)} fields, got {len(cells)}: {shown(cells)}")
        else:
            yield line, record_of_cells(header, cells)


def find_delimiter(head: str, usual: str) -> str:
    """The separator that splits the header and all first lines into the same number of fields; the usual one first."""
    lines = head.split("\n")[: SAMPLE_LINES + 1]
    whole = lines[:-1] if len(lines) > 1 else lines  # the last line may be cut
    parting = []
    for delimiter in dict.fromkeys([usual, *DELIMITERS]):
        try:
            rows = [row for row in itertools.islice(csv.reader(whole, delimiter=delimiter), SAMPLE_LINES) if row]
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1:
            parting.append((len({len(row) for row in rows}) > 1, delimiter))
    # The first separator that splits all lines alike, otherwise the first.
    return min(parting, key=lambda pair: pair[0])[1] if parting else usual


def header_of(cells: list[str], where: str) -> list[str]:
    """The names of the fields; raises UserError for a name that is empty or comes twice."""
    header = [name.strip() for name in cells]
    if len(header) > 1 and header[0] == "":
        header[0] = "column_1"  # the index that pandas writes
    if len(set(header)) < len(header) or "" in header:
        raise UserError(f"{where}: expected field names, each once, got {shown(header)}")
    return header


def record_of_cells(header: list[str], cells: list[str]) -> dict[str, Any] | FieldError:
    """The record of a row: cells with lists are read as JSON, and `weight` as a number."""
    record: dict[str, Any] = dict(zip(header, cells, strict=True))
    for name in JSON_COLUMNS & record.keys():
        if record[name].startswith(("[", "{")):
            try:
                record[name] = loads(record[name])
            except ValueError:
                return FieldError(name, f"expected JSON, got {shown(record[name])}")
        elif not record[name]:
            del record[name]
    weight = record.get("weight")
    if weight == "":
        del record["weight"]
    elif weight is not None:
        try:
            record["weight"] = float(weight)
        except ValueError:
            return FieldError("weight", f"expected a number of at least 0, got {shown(weight)}")
    return record
