"""XLSX: the first sheet as a table; its cells are read as a CSV file of the sheet would be."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import IO, Any

from sft_cli.data.tables import header_of, record_of_cells
from sft_cli.run.errors import FieldError, UserError, shown


def read_sheet(
    source: str | IO[bytes], path: str, say: Callable[[str], None]
) -> Iterator[tuple[int, dict[str, Any] | FieldError]]:
    """Yield (row number, record or error) of the first sheet; the other sheets are reported.

    The sheet is held in memory. Raises UserError if the file is not XLSX, and for a header without names.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise UserError(
            f"{path}: XLSX needs the package python-calamine\nhint: pip install 'sft-toolchain[xlsx]'"
        ) from error
    try:
        workbook = calamine.load_workbook(source)
        rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}") from error
    except Exception as error:  # a class of errors for each part of the file
        raise UserError(f"{path}: not XLSX: {error}") from error
    if others := workbook.sheet_names[1:]:
        say(f"{path}: the sheet {workbook.sheet_names[0]} is read; left out: {', '.join(others)}")
    header: list[str] | None = None
    for number, values in enumerate(rows, 1):
        cells = [cell_text(value) for value in values]
        filled = next((index for index in range(len(cells), 0, -1) if cells[index - 1]), 0)
        if not filled:
            continue
        if header is None:
            header = header_of(cells[:filled], f"{path}:{number}")
        elif filled > len(header):
            yield number, FieldError("", f"expected {len(header)} fields, got {filled}: {shown(cells[:filled])}")
        else:
            yield number, record_of_cells(header, cells[: len(header)])


def cell_text(value: Any) -> str:
    """A cell as CSV has it: whole numbers without a point, dates in ISO form, TRUE and FALSE."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
