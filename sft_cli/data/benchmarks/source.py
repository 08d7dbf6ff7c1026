"""The file of a benchmark's split in a directory, and its flat records, for any official layout."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

from sft_cli.data.benchmarks import BENCHMARKS
from sft_cli.data.benchmarks.reading import record_queries
from sft_cli.data.benchmarks.superglue import multirc_answers
from sft_cli.data.kinds import RECORD_KINDS
from sft_cli.data.readers import LocatedRecord, opened, read_records
from sft_cli.data.rows import stems
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import bounded
from sft_cli.run.text import counted

SPLITS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test", "tests"), "train": ("train",)}
# Folder names that differ from the benchmark's name in more than case and punctuation.
FOLDERS = {
    "siqa": ("socialiqa", "socialiqatraindev"),
    "piqa": ("physicaliqa", "physicaliqatraindev"),
    "openbookqa": ("main",),
    "mnli-mismatched": ("mnli",),
    "wsc": ("wscfixed",),
}
LABELS = "-labels.lst"
COLA_COLUMNS = ["source", "label", "mark", "sentence"]
MOST_FILES_NAMED = 8


def benchmark_records(name: str, path: str, split: str | None, say: Callable[[str], None]) -> Iterator[LocatedRecord]:
    """Yield (`file:line`, flat record or error) of a benchmark's file, or of its split in a directory.

    `say` reports the files that are read. A file `X-labels.lst` beside `X.jsonl` has the labels, one on each line.
    """
    is_directory = path != "-" and Path(path).is_dir()
    if not is_directory and split is not None:
        raise UserError(f"--benchmark-split: expected a directory, got the file {path}\nhint: leave the flag out")
    files = split_files(name, Path(path), split or "validation") if is_directory else [path]
    what = f"the {split or 'validation'} split, " if is_directory else ""
    for file in files:
        labels = labels_beside(file)
        beside = f", labels of {labels}" if labels else ""
        say(f"{name}: {what}{'<stdin>' if file == '-' else file}{beside}")
        if other := named_like(name, Path(file)):
            say(f"warning: {file} has the name of {other}, but is read as {name}; check --benchmark")
        records = _read_tsv(file, name) if _kind(file) == ".tsv" else read_records(file)
        for where, record in records if labels is None else _with_labels(records, file, labels):
            yield from _flat(where, record)


def named_like(name: str, path: Path) -> str | None:
    """The other benchmark whose name a file or its folders have, if none has the name of this benchmark."""
    words = {_plain_name(part) for part in (*path.parts[:-1], re.split(r"[^A-Za-z0-9-]", path.name)[0])}
    if words & {_plain_name(name), *FOLDERS.get(name, ())}:
        return None
    return next((other for other in BENCHMARKS if _plain_name(other) in words), None)


def split_files(name: str, folder: Path, split: str) -> list[str]:
    """The file of a split, or its shards, in a folder with this benchmark, alone or with others.

    Raises UserError, naming the files in the folder, if no file or several files could be the split.
    """
    known = [path for path in sorted(folder.rglob("*")) if _kind(str(path)) in RECORD_KINDS and path.is_file()]
    files = [path for path in known if _words(path) & set(SPLITS[split])]
    if name.startswith("mnli"):
        is_other = name == "mnli-mismatched"
        files = [path for path in files if ("mismatched" in path.relative_to(folder.parent).as_posix()) is is_other]
    for own in (_plain_name(name), *FOLDERS.get(name, ())):
        named = [path for path in files if _is_of(own, path.relative_to(folder))]
        if named:
            files = named
            break
    exact = [path for path in files if _words(path) <= {*SPLITS[split], "matched", "mismatched"}]
    files = exact or files
    kinds = [kind for kind in (".jsonl", ".parquet", ".tsv") if any(_kind(str(path)) == kind for path in files)]
    files = [path for path in files if not kinds or _kind(str(path)) == kinds[0]]
    if not files:
        raise UserError(
            f"{folder}: no file of the {split} split of {name}: expected names with {' or '.join(SPLITS[split])}\n"
            f"{_listed(known, folder, 'files in it')}\nhint: name the file instead of the directory"
        )
    if len({(path.parent, _without_shard(path)) for path in files}) > 1:
        raise UserError(
            f"{folder}: several files could be the {split} split of {name}\n"
            f"{_listed(files, folder, 'these files')}\nhint: name the file instead of the directory"
        )
    return [str(path) for path in files]


def labels_beside(file: str) -> str | None:
    """`dev-labels.lst` beside `dev.jsonl`, if it exists."""
    if file == "-" or _kind(file) != ".jsonl":
        return None
    labels = Path(file).with_name(stems([file])[0] + LABELS)
    return str(labels) if labels.is_file() else None


def _kind(path: str) -> str:
    return Path(path.removesuffix(".gz").removesuffix(".zst")).suffix.lower()


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_of(name: str, path: Path) -> bool:
    """Whether a path names this benchmark: `SST-2/dev.tsv`, `sst2.dev.jsonl`."""
    return name in map(_plain_name, path.parts[:-1]) or _plain_name(path.name).startswith(name)


def _words(path: Path) -> set[str]:
    """The words of a file's name, without endings and shard number: `dev_matched` has two."""
    return set(re.split(r"[-_.]", _without_shard(path).lower()))


def _without_shard(path: Path) -> str:
    return re.sub(r"-\d+-of-\d+(-[0-9a-f]+)?$", "", stems([path.name])[0])


def _listed(paths: list[Path], folder: Path, what: str) -> str:
    names = [str(path.relative_to(folder)) for path in paths[:MOST_FILES_NAMED]]
    more = f", and {len(paths) - MOST_FILES_NAMED} more" if len(paths) > MOST_FILES_NAMED else ""
    return f"{what}: {', '.join(names) or 'none'}{more}"


def _read_tsv(path: str, name: str) -> Iterator[LocatedRecord]:
    """Records of a table of GLUE: no quoting; a header, except in CoLA's train and dev."""
    with opened(path) as source:
        lines = io.TextIOWrapper(cast(Any, bounded(source, path)), encoding="utf-8-sig", newline="\n")
        rows = (line.rstrip("\r\n").split("\t") for line in lines)
        first = next(rows, [])
        is_headless = name == "cola" and len(first) == len(COLA_COLUMNS) and first[1] in ("0", "1")
        header, start, rest = (COLA_COLUMNS, 1, chain([first], rows)) if is_headless else (first, 2, rows)
        for number, cells in enumerate(rest, start=start):
            if len(cells) == len(header):
                yield f"{path}:{number}", dict(zip(header, cells, strict=True))
            else:
                problem = f"expected {len(header)} fields, got {len(cells)}: {shown(cells)}"
                yield f"{path}:{number}", FieldError("", problem)


def _with_labels(records: Iterator[LocatedRecord], path: str, labels: str) -> Iterator[LocatedRecord]:
    """Each record with the label on the same line of the label file; both have the same number of lines."""
    words = Path(labels).read_text(encoding="utf-8").split()
    count = 0
    for count, (where, record) in enumerate(records, start=1):
        if count <= len(words) and isinstance(record, dict):
            record = {**record, "label": words[count - 1]}
        yield where, record
    if count != len(words):
        raise UserError(
            f"{labels}: expected {counted(count, 'label')}, one for each record of {path}, got {len(words)}"
        )


def _flat(where: str, record: dict[str, Any] | FieldError) -> Iterator[LocatedRecord]:
    if isinstance(record, FieldError):
        yield where, record
        return
    try:
        is_nested = isinstance(record.get("passage"), dict) and "qas" in record
        for flat in record_queries(record) if is_nested else multirc_answers(record):
            yield where, flat
    except FieldError as error:
        yield where, error
