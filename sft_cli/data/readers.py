"""Raw records from files of any usual kind, from stdin and from the hub, one at a time."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from sft_cli.data.archives import read_tar
from sft_cli.data.arrow import Cleaner, read_arrow, read_parquet
from sft_cli.data.charset import as_utf8
from sft_cli.data.documents import declared_encoding, read_document
from sft_cli.data.json_stream import split_json
from sft_cli.data.kinds import FILE_KINDS, LINE_KINDS, kind_of, rdf_kind_of
from sft_cli.data.rows import refuse_terminal
from sft_cli.data.sheets import read_sheet
from sft_cli.data.tables import read_table
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.flags import HUB
from sft_cli.run.jsonl import ENCODING_HINT, bounded, lines_of, loads, open_bytes, read_objects

Record = dict[str, Any]
LocatedRecord = tuple[str, Record | FieldError]

SEEKING_KINDS = ("parquet", "arrow", "xlsx")
# The first bytes of files that are not text.
MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"PK\x03\x04": "xlsx"}

DATA_FIRST = re.compile(rb'\s*\{\s*"data"\s*:\s*\[')


@dataclass(frozen=True)
class Reading:
    """How to read records if the name of a file does not show it.

    kind: a value of KINDS, for files of any name. is_by_line: each line of a text file is a document, not the whole
    file. dropped: fields to leave out, and how many records had them. is_text: whether a field of bytes is part of a
    row. has_flags: the command has --input-kind and --delimiter, so messages may name them.
    """

    kind: str = ""
    encoding: str = ""
    delimiter: str = ""
    is_by_line: bool = False
    dropped: Counter[str] = field(default_factory=Counter)
    is_text: Callable[[str], bool] = lambda name: True
    say: Callable[[str], None] = lambda text: None
    has_flags: bool = False

    def say_delimiter(self, text: str) -> None:
        """Say by what fields are separated, and, if the command has the flag, that --delimiter names another."""
        self.say(f"{text} (--delimiter CHAR names another)" if self.has_flags else text)


def read_records(path: str, reading: Reading | None = None) -> Iterator[LocatedRecord]:
    """Yield (`file:line`, record or error) from a file, stdin (`-`) or `hf:owner/name`."""
    refuse_terminal(path)
    reading = reading or Reading()
    located = _read_hub(path, reading) if path.startswith(HUB) else _read_file(path, reading)
    for where, record in located:
        if reading.dropped and isinstance(record, dict):
            for name in reading.dropped.keys() & record.keys():
                del record[name]
                reading.dropped[name] += 1
        yield where, record


def _read_file(path: str, reading: Reading) -> Iterator[LocatedRecord]:
    shown_path = "<stdin>" if path == "-" else path
    if path != "-" and Path(path).is_dir():
        raise UserError(f"{path}: expected a file, got a directory\nhint: name its files: {path.rstrip('/')}/*")
    kind = reading.kind or kind_of(path)
    if not kind and (syntax := rdf_kind_of(path)):
        raise UserError(
            f"{path}: expected records, got {syntax}, which has IRIs in place of names\n"
            "hint: write the triples with names in place of IRIs as TSV (subject, relation, object); "
            "sft verify --knowledge reads RDF"
        )
    records: Iterator[tuple[int | str, Record | FieldError]]
    if kind in SEEKING_KINDS:
        records = _read_seeking(path, kind, shown_path, reading)
    elif kind == "tar":
        records = _read_archive(path, shown_path, reading)
    else:
        records = _read_text_file(path, kind, shown_path, reading)
    for line, record in records:
        yield f"{shown_path}:{line}", record


@contextlib.contextmanager
def opened(path: str, kind: str = "", reading: Reading | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file or stdin, decompressed, as UTF-8.

    Raises UserError, naming the file, if it is not text or is cut.
    """
    shown_path = "<stdin>" if path == "-" else path
    reading = reading or Reading()
    with open_bytes(path) as source:
        try:
            encoding = reading.encoding
            if kind == "html":
                encoding = encoding or declared_encoding(cast(Any, source).peek(1 << 12))
            yield as_utf8(source, shown_path, encoding, reading.say)
        except UnicodeDecodeError as error:
            expected = encoding or error.encoding
            expected = "UTF-8" if expected.lower() in ("utf-8", "utf8", "utf-8-sig") else expected
            raise UserError(f"{shown_path}: expected {expected}, got {error.reason}\nhint: {ENCODING_HINT}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{shown_path}: cannot read: {error}") from error


def _read_seeking(path: str, kind: str, shown_path: str, reading: Reading) -> Iterator[tuple[int, Record | FieldError]]:
    """Records of a file that is not read from its beginning to its end."""

    def read(source: str | IO[bytes]) -> Iterator[tuple[int, Record | FieldError]]:
        if kind == "xlsx":
            return read_sheet(source, shown_path, reading.say)
        cleaner = Cleaner(shown_path, reading.is_text, reading.dropped, reading.say)
        return (read_parquet if kind == "parquet" else read_arrow)(source, cleaner)

    with open_bytes(path) as source:
        if source.seekable() and isinstance(source, io.BufferedReader) and path != "-":
            yield from read(path)
            return
        # Data from a pipe, or compressed data, is copied to a temporary file.
        with tempfile.TemporaryFile() as whole:
            try:
                shutil.copyfileobj(source, whole)
            except (OSError, EOFError, zlib.error) as error:
                raise UserError(f"{shown_path}: cannot read: {error}") from error
            whole.seek(0)
            yield from read(whole)


def _read_archive(path: str, shown_path: str, reading: Reading) -> Iterator[tuple[str, Record | FieldError]]:
    with open_bytes(path) as source:
        try:
            yield from read_tar(source, shown_path, reading.say)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{shown_path}: cannot read: {error}") from error


def _read_text_file(
    path: str, kind: str, shown_path: str, reading: Reading
) -> Iterator[tuple[int, Record | FieldError]]:
    with opened(path, kind, reading) as source:
        if kind in ("", "json"):
            kind = _sniff(source, kind, shown_path, reading.has_flags)
        if kind == "jsonl":
            yield from read_objects(lines_of(source, shown_path))
        elif kind == "json":
            for line, value in split_json(source, shown_path):
                is_usable = isinstance(value, (dict, FieldError))
                yield line, value if is_usable else FieldError("", f"expected a JSON object, got {shown(value)}")
        elif kind in ("csv", "tsv"):
            usual = "\t" if kind == "tsv" else ","
            lines = bounded(source, shown_path)
            yield from read_table(lines, usual, reading.delimiter, shown_path, reading.say_delimiter)
        elif reading.is_by_line and kind in LINE_KINDS:
            lines = bounded(source, shown_path)
            for line, text in enumerate(io.TextIOWrapper(cast(Any, lines), encoding="utf-8-sig"), start=1):
                if text.strip():
                    yield line, {"text": text.rstrip("\n")}
        else:
            yield from read_document(source, kind)


def _sniff(source: IO[bytes], kind: str, path: str, has_flags: bool) -> str:
    """`json` or `jsonl`, by the first bytes; a first line that is a whole object means JSONL."""
    head = cast(Any, source).peek(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return "jsonl"
    if head.startswith(b"[") or DATA_FIRST.match(head):
        return "json"
    if not head.startswith(b"{"):
        if kind:
            return kind
        known = f"other file types need one of the endings {', '.join(FILE_KINDS)}, each also with .gz or .zst"
        guess = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "csv")
        named = f"--input-kind names another file type, for example --input-kind {guess}"
        if not has_flags:
            named = "rename the file to the ending of its type"
        raise UserError(
            f"{path}: expected JSON, got {shown(head[:20].decode('utf-8', 'replace'))}\n"
            f"hint: {named if path == '<stdin>' or guess != 'csv' else f'{known}; {named}'}"
        )
    first, newline, _ = head.partition(b"\n")
    if not newline:
        return kind or "jsonl"
    try:
        loads(first)
    except ValueError:
        return "json" if first.strip() == b"{" or kind else "jsonl"
    return "jsonl"


def _read_hub(path: str, reading: Reading) -> Iterator[LocatedRecord]:
    """Records of `hf:owner/name`, `hf:owner/name/config` or either with `:split` (default: train)."""
    name, _, split = path.removeprefix(HUB).partition(":")
    parts = name.split("/")
    if not all(parts) or len(parts) > 3:
        raise UserError(f"{path}: expected hf:owner/name, hf:owner/name/config or hf:owner/name:split")
    try:
        import datasets

        config = parts[2] if len(parts) == 3 else None
        rows = iter(datasets.load_dataset("/".join(parts[:2]), config, split=split or "train", streaming=True))
    except Exception as error:
        # datasets raises errors of many libraries for causes that a user can correct: a wrong name, a gated set, no
        # network.
        raise _hub_error(path, error) from error
    number = 0
    cleaner = Cleaner(path, reading.is_text, reading.dropped, reading.say)
    while True:
        try:
            record = next(rows, None)
        except Exception as error:
            raise _hub_error(path, error) from error
        if record is None:
            return
        number += 1
        yield f"{path}:{number}", cleaner.record(record)


def _hub_error(path: str, error: Exception) -> UserError:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(f"{path}: cannot load from the hub: {first_line}")
