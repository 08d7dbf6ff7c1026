"""How commands that learn from rows read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sft_cli.run.ledger import Ledger


def training_rows(paths: list[str], ledger: Ledger, limit: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`file:line`, row) of rows that hold something to learn; a row without a task gets its file's stem for one."""
    from sft_cli.data.rows import read_rows, stems

    names = {"<stdin>" if path == "-" else path: stem for path, stem in zip(paths, stems(paths), strict=True)}
    for where, row in read_rows(paths, ledger, limit, need="target"):
        yield where, row if row.get("task") else {**row, "task": names[where.rpartition(":")[0]]}
