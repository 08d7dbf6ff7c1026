"""The kinds of files that hold raw data, by the endings of their names."""

from __future__ import annotations

from pathlib import PurePath

RECORD_KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
DOCUMENTS = {".txt": "txt", ".md": "md", ".markdown": "md", ".html": "html", ".htm": "html"}
FILE_KINDS = RECORD_KINDS | DOCUMENTS
# Kinds whose lines can be documents.
LINE_KINDS = ("txt", "md")


def kind_of(path: str) -> str:
    """The kind of a file by its name, with or without .gz or .zst: a value of KINDS, or an empty string."""
    name = PurePath(path).name.lower().removesuffix(".gz").removesuffix(".zst")
    return FILE_KINDS.get(PurePath(name).suffix, "")
