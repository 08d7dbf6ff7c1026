"""Raw records from files of any usual kind, from stdin and from the hub, one at a time."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import IO, Any, cast

from sft_cli.data.json_stream import split_json
from sft_cli.data.rows import refuse_terminal
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import lines_of, open_bytes, parse, read_objects

Record = dict[str, Any]
Located = tuple[str, Record | FieldError]

HUB = "hf:"
KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"} | {
    ".txt": "text",
    ".parquet": "parquet",
}
DATA_FIRST = re.compile(rb'\s*\{\s*"data"\s*:\s*\[')
BATCH = 256
# Columns of a table that hold lists: their cells are JSON.
JSON_COLUMNS = frozenset({"references", "choices", "messages", "conversations", "conversation", "tools", "history"})


def read_records(path: str) -> Iterator[Located]:
    """Yield (`file:line`, record or the reason why there is none) from a file, stdin (`-`) or `hf:owner/name`."""
    refuse_terminal(path)
    shown_path = "<stdin>" if path == "-" else path
    if path.startswith(HUB):
        yield from _read_hub(path)
        return
    if path != "-" and Path(path).is_dir():
        raise UserError(f"{path}: is a directory; expected a file\nhint: name its files: {path.rstrip('/')}/*")
    kind = _kind(path)
    if kind == "parquet":
        yield from _read_parquet(path)
        return
    with opened(path) as source:
        for line, record in _read_text_file(source, kind, shown_path):
            yield f"{shown_path}:{line}", record


@contextlib.contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a file or stdin, decompressed; what is no text, or cut short, is a UserError that names the file."""
    shown_path = "<stdin>" if path == "-" else path
    with open_bytes(path) as source:
        try:
            yield source
        except UnicodeDecodeError as error:
            raise UserError(f"{shown_path}: expected UTF-8, got {error.reason}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{shown_path}: cannot read: {error}") from error


def _kind(path: str) -> str:
    name = PurePath(path).name.lower().removesuffix(".gz").removesuffix(".zst")
    return KINDS.get(PurePath(name).suffix, "")


def _read_text_file(source: IO[bytes], kind: str, path: str) -> Iterator[tuple[int, Record | FieldError]]:
    kind = kind if kind not in ("", "json") else _sniff(source, kind, path)
    if kind == "jsonl":
        yield from read_objects(lines_of(source, path))
    elif kind == "json":
        for line, value in split_json(source, path):
            is_object = isinstance(value, dict)
            yield line, value if is_object else FieldError("", f"expected a JSON object, got {shown(value)}")
    elif kind == "text":
        for line, text in enumerate(io.TextIOWrapper(cast(Any, source), encoding="utf-8-sig"), start=1):
            if text.strip():
                yield line, {"text": text.rstrip("\n")}
    else:
        yield from _read_table(source, "\t" if kind == "tsv" else ",", path)


def _sniff(source: IO[bytes], kind: str, path: str) -> str:
    """`json` or `jsonl`, by the first bytes; a first line that is an object by itself says JSONL."""
    head = cast(Any, source).peek(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return "jsonl"
    if head.startswith(b"[") or DATA_FIRST.match(head):
        return "json"
    if not head.startswith(b"{"):
        if kind:
            return kind
        raise UserError(
            f"{path}: expected JSON, got {shown(head[:20].decode('utf-8', 'replace'))}\n"
            f"hint: other kinds are known by their names: {', '.join(KINDS)}, each also with .gz or .zst"
        )
    first, newline, _ = head.partition(b"\n")
    if not newline:
        return kind or "jsonl"
    try:
        parse(first)
    except ValueError:
        return "json" if first.strip() == b"{" or kind else "jsonl"
    return "jsonl"


def _read_table(source: IO[bytes], delimiter: str, path: str) -> Iterator[tuple[int, Record | FieldError]]:
    csv.field_size_limit(1 << 30)
    # strict: a quote that is never closed is an error, not one cell that swallows the rest of the file.
    text = io.TextIOWrapper(cast(Any, source), encoding="utf-8-sig", newline="")
    table = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    end = 0
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{path}:{end + 1}: not a table: {error}") from error
        line, end = end + 1, table.line_num
        if not cells:
            continue
        if header is None:
            header = [name.strip() for name in cells]
            if len(set(header)) < len(header) or "" in header:
                raise UserError(f"{path}:{line}: expected column names, each once, got {shown(header)}")
        elif len(cells) != len(header):
            yield line, FieldError("", f"expected {len(header)} columns, got {len(cells)}: {shown(cells)}")
        else:
            yield line, _table_record(header, cells)


def _table_record(header: list[str], cells: list[str]) -> Record | FieldError:
    record: Record = dict(zip(header, cells, strict=True))
    for name in JSON_COLUMNS & record.keys():
        if record[name].startswith(("[", "{")):
            try:
                record[name] = parse(record[name])
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


def _read_parquet(path: str) -> Iterator[Located]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UserError(f"{path}: Parquet needs the package pyarrow\nhint: pip install pyarrow") from error
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield f"{path}:{number}", record
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        raise UserError(f"{path}: not Parquet: {error}") from error


def _read_hub(path: str) -> Iterator[Located]:
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
        # datasets raises errors of many libraries for what a user can fix: a wrong name, a gated set, no network.
        raise _hub_error(path, error) from error
    number = 0
    while True:
        try:
            record = next(rows, None)
        except Exception as error:
            raise _hub_error(path, error) from error
        if record is None:
            return
        number += 1
        yield f"{path}:{number}", record


def _hub_error(path: str, error: Exception) -> UserError:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(f"{path}: cannot load from the hub: {first_line}")
