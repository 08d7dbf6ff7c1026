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
    ".arrow": "arrow",
    ".feather": "arrow",
    ".xlsx": "xlsx",
    ".tar": "tar",
    ".tgz": "tar",
}
DOCUMENTS = {".txt": "txt", ".md": "md", ".markdown": "md", ".html": "html", ".htm": "html"}
FILE_KINDS = RECORD_KINDS | DOCUMENTS
# Kinds whose text has a fixed encoding.
BINARY_KINDS = {"parquet", "arrow", "xlsx", "tar"}
# Statements about IRIs, not records with fields: sft verify reads them, sft prep does not.
RDF_KINDS = {
    ".nt": "N-Triples",
    ".nq": "N-Quads",
    ".ttl": "Turtle",
    ".trig": "TriG",
    ".rdf": "RDF/XML",
    ".owl": "RDF/XML",
}
# Kinds whose lines can be documents.
LINE_KINDS = ("txt", "md")


def kind_of(path: str) -> str:
    """The kind of a file by its name, with or without .gz or .zst: a value of KINDS, or an empty string."""
    return FILE_KINDS.get(_ending(path), "")


def rdf_kind_of(path: str) -> str:
    """The syntax of an RDF file by its name, with or without .gz or .zst: a value of RDF_KINDS, or an empty string."""
    return RDF_KINDS.get(_ending(path), "")


def _ending(path: str) -> str:
    name = PurePath(path).name.lower().removesuffix(".gz").removesuffix(".zst")
    return PurePath(name).suffix
