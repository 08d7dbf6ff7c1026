"""The files that tasks read, and a check for values that lm-eval would misread silently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import open_bytes, read_jsonl
from sft_cli.run.ledger import Ledger

DATASET_READERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet"}  # suffix: datasets' name of the reader
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d){0,2}(\.\d+)?(Z|[+-]\d\d:?\d\d)?)?")
ARROW_TYPES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
}

LocatedDocuments = list[tuple[str, dict[str, Any]]]  # (`file:line`, row)


@dataclass(frozen=True, kw_only=True)
class TaskFiles:
    """The files of a task: the rows to ask and, if it exists, the file from which examples are drawn."""

    task: str
    file: Path | None  # None if there is no file; the worker then reports whether the task exists
    train: Path | None
    rows: int


def task_files(folder: str, tasks: list[str], shots: int | None) -> list[TaskFiles]:
    """The checked files of each task. Raises UserError for values that lm-eval would misread."""
    if not Path(folder).is_dir():
        raise UserError(f"--data: {folder}: no such directory")
    files = []
    for task in tasks:
        file, train = _one_file(folder, task), _one_file(folder, f"{task}.train")
        if file is None:
            files.append(TaskFiles(task=task, file=None, train=None, rows=0))
            continue
        rows = checked_rows(file)
        if train is not None:
            if DATASET_READERS[file.suffix] != DATASET_READERS[train.suffix]:
                raise UserError(
                    f"{train}: expected the file type of {file.name}: lm-eval reads both files with one reader"
                )
            if shots != 0:
                _refuse_leaks(train, checked_rows(train), rows)
        files.append(TaskFiles(task=task, file=file, train=train, rows=len(rows)))
    return files


def _one_file(folder: str, stem: str) -> Path | None:
    paths = [path for suffix in DATASET_READERS if (path := Path(folder) / (stem + suffix)).is_file()]
    if len(paths) > 1:
        raise UserError(f"--data: {folder}: expected one file for {stem}, got {', '.join(path.name for path in paths)}")
    return paths[0] if paths else None


def checked_rows(path: Path) -> LocatedDocuments:
    """All rows of a file; raises UserError with one line for each bad one."""
    ledger = Ledger(hint="lm-eval reads the whole file: correct or remove the bad rows")
    rows: LocatedDocuments = []
    for where, row in _read_located(path):
        if isinstance(row, FieldError):
            ledger.reject(where, row)
        else:
            rows.append((where, row))
    if rows:
        _check_values(rows, ledger, has_types=DATASET_READERS[path.suffix] == "parquet")
    ledger.close()
    if not rows:
        raise UserError(f"{path}: no rows")
    return rows


def _read_located(path: Path) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except (OSError, pyarrow.ArrowException) as error:
            raise UserError(f"{path}: cannot read: {error}") from error
        yield from ((f"{path}: row {number}", row) for number, row in enumerate(table.to_pylist(), 1))
        return
    if path.suffix == ".json":
        with open_bytes(str(path)) as source:
            if source.read(64).lstrip()[:1] == b"[":
                yield from _read_list(path)
                return
    yield from ((f"{path}:{number}", row) for number, row in read_jsonl(str(path)))


def _read_list(path: Path) -> Iterator[tuple[str, dict[str, Any] | FieldError]]:
    with open_bytes(str(path)) as source:
        try:
            rows = json.loads(source.read())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: expected a list of JSON objects: {error}") from error
    for number, row in enumerate(rows, 1):
        is_row = isinstance(row, dict)
        yield f"{path}: row {number}", row if is_row else FieldError("", f"expected an object, got {shown(row)}")


def _check_values(rows: LocatedDocuments, ledger: Ledger, has_types: bool) -> None:
    """Record values that the reader would change: mixed types, dates, choices as objects."""
    first: dict[str, tuple[str, type]] = {}
    for where, row in rows:
        for name, value in row.items():
            if value is None:
                continue
            first_where, kind = first.setdefault(name, (where, type(value)))
            if type(value) is not kind and {type(value), kind} != {int, float}:
                problem = f"expected {ARROW_TYPES.get(kind, kind.__name__)} as in {first_where}, got {shown(value)}"
                ledger.reject(where, FieldError(name, problem))
            elif _is_list_of_choices(value):
                problem = f'expected {{"text": […], "label": […]}}, got a list of objects: {shown(value)}'
                ledger.reject(where, FieldError(name, problem))
    for name, (where, kind) in first.items():
        values = [row[name] for _, row in rows if row.get(name) is not None]
        if kind is str and not has_types and all(isinstance(v, str) and DATE.fullmatch(v) for v in values):
            problem = f"expected text, got only dates ({shown(values[0])}), which lm-eval turns into timestamps"
            ledger.reject(where, FieldError(name, f"{problem}; write the file as Parquet"))


def _is_list_of_choices(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(value[0]) == {"text", "label"}


def _refuse_leaks(train: Path, examples: LocatedDocuments, rows: LocatedDocuments) -> None:
    asked = {json.dumps(row, sort_keys=True, default=str) for _, row in rows}
    leaks = [where for where, row in examples if json.dumps(row, sort_keys=True, default=str) in asked]
    if leaks:
        raise UserError(
            f"{leaks[0]}: {len(leaks):,} of {len(examples):,} examples are also in the rows to evaluate: their answers "
            f"would be in the prompt\nhint: remove them from {train.name}, or use --shots 0"
        )
