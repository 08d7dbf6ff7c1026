"""The key of a blind page: its systems, and the row, the system and the length behind each code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sft_cli.report.human.criteria import Criterion
from sft_cli.run.errors import UserError, shown

FORM = "a key that sft compare --blind-page wrote"


@dataclass(frozen=True)
class KeyRow:
    """One row of a page: what was shown in which order."""

    id: str | int
    sample: int
    is_repeat: bool
    prompt_hash: str | None
    codes: list[str]
    systems: list[int]
    characters: list[int]


@dataclass(frozen=True)
class Key:
    """A key file. `of_codes` finds a row by its codes in the order shown, `of_row` by id and sample (no repeats)."""

    path: str
    page: str
    kind: str
    systems: list[str]
    paths: list[str]
    criteria: list[Criterion]
    rows: list[KeyRow]

    @property
    def of_codes(self) -> dict[tuple[str, ...], KeyRow]:
        """Each row by its codes in the order shown."""
        return {tuple(row.codes): row for row in self.rows}

    @property
    def of_row(self) -> dict[tuple[str, int], KeyRow]:
        """Each row that is no repeat by its id, as text, and its sample."""
        return {(str(row.id), row.sample): row for row in self.rows if not row.is_repeat}


def read_key(path: str) -> Key:
    """Read a key file; raises UserError if it is something else."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--key: cannot read {path}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--key: {path}: expected {FORM}, got text that is not JSON: {error}") from None
    try:
        return _key_of_document(path, document)
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"--key: {path}: expected {FORM}, got {shown(document)}") from None


def _key_of_document(path: str, document: Any) -> Key:
    rows = [
        KeyRow(
            id=row["id"],
            sample=row["sample"],
            is_repeat=row["repeat"],
            prompt_hash=row["prompt_hash"],
            codes=list(row["codes"]),
            systems=list(row["systems"]),
            characters=list(row["characters"]),
        )
        for row in document["rows"]
    ]
    return Key(
        path=path,
        page=document["page"],
        kind=document["kind"],
        systems=[system["label"] for system in document["systems"]],
        paths=[system["path"] for system in document["systems"]],
        criteria=[Criterion(**criterion) for criterion in document["criteria"]],
        rows=rows,
    )
