"""Parquet, and values as Arrow gives them: no bytes, no null that was not written, dates and decimals as text."""

from __future__ import annotations

import datetime
import decimal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO, Any

from sft_cli.run.errors import FieldError, UserError

BATCH = 256
PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


class Cleaner:
    """Makes records of JSON's values out of Arrow's. What is left out is said once, by its column.

    `is_text` says which columns are parts of a row: their bytes are read as UTF-8, others' are left out. Columns in
    `dropped` are left out as the user wants, and counted.
    """

    def __init__(
        self, path: str, is_text: Callable[[str], bool], dropped: Counter[str], say: Callable[[str], None]
    ) -> None:
        self.path, self.is_text, self.dropped, self.say = path, is_text, dropped, say
        self.said: set[tuple[str, str]] = set()

    def record(self, raw: dict[str, Any]) -> dict[str, Any] | FieldError:
        """The record without what JSON cannot hold, or the reason why there is none."""
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
        """Say once that a column, or what, is left out, and why."""
        if (name, why) not in self.said:
            self.said.add((name, why))
            self.say(f"{self.path}: {name} is left out: {why}")

    def _clean(self, value: Any, name: str) -> Any:
        """The value; None where it is, or is a list of, bytes."""
        if isinstance(value, dict):
            cleaned = {key: self._clean(item, f"{name}.{key}") for key, item in value.items()}
            if any(item is None for item in value.values()):
                # An object has the keys of all others in its column, with null where it had none: they are not its own.
                self.leave_out(
                    f"null in {name.partition('.')[0]}",
                    "Parquet gives each object the keys of all others in its column",
                )
            return {key: item for key, item in cleaned.items() if item is not None}
        if isinstance(value, list) and value and all(type(pair) is tuple for pair in value):  # one of Arrow's maps
            return self._clean({str(key): item for key, item in value}, name)
        if isinstance(value, (list, tuple)):
            items = [self._clean(item, name) for item in value]
            return None if any(isinstance(item, bytes) for item in value) else items
        if isinstance(value, bytes):
            self.leave_out(f"column {name}", "it holds bytes, which JSON cannot")
            return None
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        return str(value) if isinstance(value, (decimal.Decimal, datetime.timedelta)) else value


def read_parquet(source: str | IO[bytes], cleaner: Cleaner) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (number, record or why there is none) of a Parquet file; columns of bytes are not even read."""
    path = cleaner.path
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UserError(f"{path}: Parquet needs the package pyarrow\nhint: pip install pyarrow") from error
    number = 0
    try:
        with parquet.ParquetFile(source) as file:
            columns = _fields_to_read(file.schema_arrow, cleaner)
            for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                for record in batch.to_pylist():
                    number += 1
                    yield number, cleaner.record(record)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}") from error
    except arrow.ArrowException as error:
        raise UserError(f"{path}: not Parquet: {error}") from error


def _fields_to_read(schema: Any, cleaner: Cleaner) -> list[str] | None:
    """The columns to read, None for all: not those that hold bytes and are no part of a row."""
    import pyarrow.types as types

    tests = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    of_bytes = [field.name for field in schema if any(test(field.type) for test in tests)]
    left_out = [name for name in of_bytes if name not in cleaner.dropped and not cleaner.is_text(name)]
    for name in left_out:
        cleaner.leave_out(f"column {name}", "it holds bytes, which JSON cannot")
    return [name for name in schema.names if name not in left_out] if left_out else None
