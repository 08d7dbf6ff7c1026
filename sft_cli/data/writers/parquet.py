"""Parquet: a column for each field, nested columns for turns and tool calls, row groups of bounded size."""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TextIO

from sft_cli.data.rows import Row
from sft_cli.data.writers.parquet_types import FieldShape, arrow_type, column_value, json_fields, merged, shape_of
from sft_cli.data.writers.protocol import FormatWriter, Written
from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import loads

ROWS_OF_GROUP = 4096
CHARACTERS_OF_GROUP = 1 << 25  # of the JSON lines: about 32 MB


class ParquetWriter(FormatWriter):
    """The whole row; objects other than turns and tool calls become JSON text: Parquet would add nulls to them."""

    name: ClassVar[str] = "parquet"
    ending: ClassVar[str] = "parquet"

    def record(self, row: Row) -> Written:
        """The row as it is."""
        return Written(row, [])

    @contextlib.contextmanager
    def sink(self, out: TextIO, say: Callable[[str], None]) -> Iterator[TextIO]:
        """A temporary file for the lines; at its end they are read twice: to find the columns, and to write them.

        The columns of Parquet are fixed before the first row, and rows may have different fields.
        """
        _check_package()
        folder = Path(out.name).parent if Path(out.name).is_file() else None
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder) as lines:
            yield lines
            lines.seek(0)
            shape: FieldShape = {}
            for line in lines:
                merge_row(shape, loads(line))
            if as_text := json_fields(shape):
                say(f"--to parquet: written as JSON text: {', '.join(as_text)}")
            lines.seek(0)
            write_groups(out.buffer, lines, shape)


def _check_package() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError("--to parquet: needs the package pyarrow\nhint: pip install pyarrow")


def merge_row(shape: dict[str, Any], row: Row) -> None:
    """Add the fields of a row to the shape of all rows."""
    for name, value in row.items():
        shape[name] = merged(shape.get(name), shape_of(value, (name,)))


def write_groups(out: Any, lines: TextIO, shape: dict[str, Any]) -> None:
    """Write the rows of the lines to a binary file, a group at a time."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    schema = arrow.schema([(name, arrow_type(each)) for name, each in shape.items()])
    with parquet.ParquetWriter(out, schema, compression="zstd") as file:
        for rows in _row_groups(lines):
            columns = [[column_value(row.get(name), each) for row in rows] for name, each in shape.items()]
            arrays = [arrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            file.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _row_groups(lines: TextIO) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for line in lines:
        group.append(loads(line))
        size += len(line)
        if len(group) >= ROWS_OF_GROUP or size >= CHARACTERS_OF_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group
