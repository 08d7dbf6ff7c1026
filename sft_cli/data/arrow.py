"""Parquet and Arrow files, and values of Arrow: no bytes, no null that was not written, dates and decimals as text."""

from __future__ import annotations

import contextlib
import datetime
import decimal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Any

from sft_cli.run.errors import FieldError, UserError

BATCH = 256
ARROW_MAGIC = b"ARROW1"
PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


class Cleaner:
    """Turns Arrow records into records of JSON values. A field that is left out is reported once.

    `is_text` says which fields are parts of a row: their bytes are read as UTF-8; bytes of other fields are left out.
    Fields in `dropped` are left out because the user asked for it, and counted.
    """

    def __init__(
        self, path: str, is_text: Callable[[str], bool], dropped: Counter[str], say: Callable[[str], None]
    ) -> None:
        self.path, self.is_text, self.dropped, self.say = path, is_text, dropped, say
        self.said: set[tuple[str, str]] = set()

    def record(self, raw: dict[str, Any]) -> dict[str, Any] | FieldError:
        """The record without values that JSON cannot hold, or the error of the record."""
        record = {}
        for name, value in raw.items():
            if name in self.dropped:
                self.dropped[name] += 1
            elif type(value) in PLAIN_TYPES:
                record[name] = value
            elif isinstance(value, bytes) and self.is_text(name):
                try:
                    record[name] = value.decode("utf-8")
                except UnicodeDecodeError as error:
                    return FieldError(name, f"expected text, got bytes that are not UTF-8: {error.reason}")
            else:
                cleaned = self._clean(value, name)
                if cleaned is not None:
                    record[name] = cleaned
        return record

    def leave_out(self, name: str, why: str) -> None:
        """Report once that a field, or a kind of value, is left out, and why."""
        if (name, why) not in self.said:
            self.said.add((name, why))
            self.say(f"{self.path}: {name} is left out: {why}")

    def _clean(self, value: Any, name: str) -> Any:
        """The value; None for bytes and for a list of bytes."""
        if isinstance(value, dict):
            cleaned = {key: self._clean(item, f"{name}.{key}") for key, item in value.items()}
            if any(item is None for item in value.values()):
                # Each object has the keys of all other objects in its field, with null for keys that it did not have.
                self.leave_out(
                    f"null in {name.partition('.')[0]}",
                    "Arrow gives all objects of a field the same keys, with null where an object had no such key",
                )
            return {key: item for key, item in cleaned.items() if item is not None}
        if isinstance(value, list) and value and all(type(pair) is tuple for pair in value):  # a map of Arrow
            return self._clean({str(key): item for key, item in value}, name)
        if isinstance(value, (list, tuple)):
            items = [self._clean(item, name) for item in value]
            return None if any(isinstance(item, bytes) for item in value) else items
        if isinstance(value, bytes):
            self.leave_out(f"field {name}", "it has bytes, which JSON cannot hold")
            return None
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        return str(value) if isinstance(value, (decimal.Decimal, datetime.timedelta)) else value


def read_parquet(source: str | IO[bytes], cleaner: Cleaner) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (number, record or error) of a Parquet file; fields of bytes are not read."""

    def batches() -> Iterator[Any]:
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(source) as file:
            columns = _fields_to_read(file.schema_arrow, cleaner)
            yield from file.iter_batches(batch_size=BATCH, columns=columns)

    return _records(batches(), "Parquet", cleaner)


def read_arrow(source: str | IO[bytes], cleaner: Cleaner) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (number, record or error) of an Arrow file, in the format for files (also Feather) or for streams."""

    def batches() -> Iterator[Any]:
        import pyarrow.ipc as ipc

        with open(source, "rb") if isinstance(source, str) else contextlib.nullcontext(source) as file:
            is_file = file.read(len(ARROW_MAGIC)) == ARROW_MAGIC
            file.seek(0)
            reader: Any = ipc.open_file(file) if is_file else ipc.open_stream(file)
            columns = _fields_to_read(reader.schema, cleaner)
            # A file has its batches by number, a stream one after another.
            whole = (reader.get_batch(n) for n in range(reader.num_record_batches)) if is_file else iter(reader)
            for batch in whole:
                chosen = batch.select(columns) if columns is not None else batch
                yield from (chosen.slice(start, BATCH) for start in range(0, len(chosen), BATCH))

    return _records(batches(), "Arrow", cleaner)


def _records(batches: Iterator[Any], kind: str, cleaner: Cleaner) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Number the records of all batches; raises UserError for a file that is damaged or of another kind."""
    path, number = cleaner.path, 0
    try:
        import pyarrow as arrow
    except ImportError as error:
        raise UserError(f"{path}: {kind} needs the package pyarrow\nhint: pip install pyarrow") from error
    try:
        for batch in batches:
            for record in batch.to_pylist():
                number += 1
                yield number, cleaner.record(record)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        raise UserError(f"{path}: not {kind}: {error}") from error


def _fields_to_read(schema: Any, cleaner: Cleaner) -> list[str] | None:
    """The fields to read, None for all; without fields of bytes that are not part of a row."""
    import pyarrow.types as types

    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    of_bytes = [field.name for field in schema if any(test(field.type) for test in tests)]
    left_out = [name for name in of_bytes if name not in cleaner.dropped and not cleaner.is_text(name)]
    for name in left_out:
        cleaner.leave_out(f"field {name}", "it has bytes, which JSON cannot hold")
    return [name for name in schema.names if name not in left_out] if left_out else None
