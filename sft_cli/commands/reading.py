"""How commands that learn from rows read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sft_cli.run.ledger import Ledger


def training_rows(paths: list[str], ledger: Ledger, limit: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(`file:line`, row) of rows that hold something to learn."""
    from sft_cli.data.rows import read_rows

    return read_rows(paths, ledger, limit, need="target")
