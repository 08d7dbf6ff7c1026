"""Triples and names from files, one at a time: TSV, JSONL and other records, RDF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sft_cli.data.kinds import kind_of, rdf_kind_of
from sft_cli.data.readers import Reading, opened, read_records
from sft_cli.evidence.graph.ntriples import parse_statement
from sft_cli.evidence.graph.rdf import read_statements
from sft_cli.evidence.graph.sparql import chosen_statements
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.jsonl import TooLong, lines_of, loads, too_long
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import is_unicode

# The names that data sets give to the fields; a first line of a table with one name of each is a header.
TRIPLE_FIELDS = {
    "subject": ("subject", "subj", "head", "s", "h", "主语", "主体", "头实体"),
    "relation": ("relation", "predicate", "property", "rel", "p", "r", "关系", "谓语", "属性"),
    "object": ("object", "obj", "tail", "value", "o", "t", "宾语", "客体", "尾实体", "值"),
}
NAME_FIELDS = {
    "id": ("id", "entity", "qid", "relation", "实体", "编号"),
    "alias": ("alias", "label", "name", "别名", "名称", "标签"),
    "language": ("language", "lang", "语言"),
}
LABEL_PREDICATES = frozenset(
    {
        "http://www.w3.org/2000/01/rdf-schema#label",
        "http://www.w3.org/2004/02/skos/core#prefLabel",
        "http://www.w3.org/2004/02/skos/core#altLabel",
        "http://schema.org/name",
        "http://schema.org/alternateName",
        "https://schema.org/name",
        "https://schema.org/alternateName",
    }
)
TRIPLES_READ, LABELS_READ = "triples read", "names read from labels"  # lines of the ledger
SHAPE_HINT = "a line has a subject, a relation and an object, separated by tabs"


class Triple(NamedTuple):
    """A fact: its subject, its relation and its object, each as an id or as its name."""

    subject: str
    relation: str
    object: str


class EntityName(NamedTuple):
    """A name of an entity or a relation, and the language of the name; empty if unknown."""

    id: str
    alias: str
    language: str


def read_triples(path: str, ledger: Ledger) -> Iterator[Triple | EntityName]:
    """The triples of a file, in order; bad lines go to the ledger as `file:line`.

    The endings of RDF_KINDS are RDF, where a blank node keeps its name, and a label (LABEL_PREDICATES) is a name and
    not a triple. `.jsonl`, `.json`, `.csv` and `.parquet` have records with subject, relation and object, under any
    name of TRIPLE_FIELDS. Other files have three fields separated by tabs, and a header only if the first line has
    names of fields; quotes are ordinary characters. Files may be compressed.
    """
    if rdf_kind_of(path):
        yield from _triples_and_labels(_located(path, TRIPLE_FIELDS, 3), ledger)
        return
    for where, parts in _located(path, TRIPLE_FIELDS, 3):
        yield from _triple(where, parts, ledger)


def query_triples(paths: Iterable[str], query: str, ledger: Ledger) -> Iterator[Triple | EntityName]:
    """The triples that the SPARQL query of a file chooses from RDF files, and the names of all labels in them.

    Raises UserError for a wrong query, and for one that finds nothing.
    """
    yield from _triples_and_labels(chosen_statements(paths, query, sorted(LABEL_PREDICATES), ledger), ledger)


def _triples_and_labels(located: Iterable[tuple[str, Any]], ledger: Ledger) -> Iterator[Triple | EntityName]:
    for where, parts in located:
        if isinstance(parts, FieldError) or parts["relation"] not in LABEL_PREDICATES:
            yield from _triple(where, parts, ledger)
            continue
        try:
            yield from _names_of(_name_of_label(parts))
            ledger.count(LABELS_READ)
        except FieldError as error:
            ledger.reject(where, error, parts)


def _triple(where: str, parts: dict[str, Any] | FieldError, ledger: Ledger) -> Iterator[Triple]:
    """The triple of a record; nothing, and a line in the ledger, if it is bad."""
    ledger.count(TRIPLES_READ)
    try:
        if isinstance(parts, FieldError):
            raise parts
        yield Triple(*[_word(parts, name) for name in TRIPLE_FIELDS])
    except FieldError as error:
        ledger.reject(where, error, parts if isinstance(parts, dict) else None)


def _name_of_label(statement: dict[str, str]) -> dict[str, str]:
    return {"id": statement["subject"], "alias": statement["object"], "language": statement["language"]}


def read_names(path: str, ledger: Ledger) -> Iterator[EntityName]:
    """The names of entities and relations of a file; bad lines go to the ledger as `file:line`.

    A table has the fields id, alias and, if known, language. A record has an id and a name under any name of
    NAME_FIELDS, or a list `aliases`, or both. A JSON object has ids as keys; a value is a name, a list of names, or an
    object with label and aliases. Of RDF, the labels of RDFS, SKOS and schema.org are names.
    """
    located = _of_mapping(path) if kind_of(path) == "json" else _located(path, NAME_FIELDS, 2)
    for where, parts in located:
        try:
            if isinstance(parts, FieldError):
                raise parts
            if rdf_kind_of(path):
                if parts["relation"] not in LABEL_PREDICATES:
                    continue
                parts = _name_of_label(parts)
            yield from _names_of(parts)
        except FieldError as error:
            ledger.reject(where, error, parts if isinstance(parts, dict) else None)
            continue
        ledger.count("names read")


def _located(path: str, fields: dict[str, tuple[str, ...]], least: int) -> Iterator[tuple[str, Any]]:
    kind = kind_of(path)
    if kind in ("jsonl", "json", "csv", "parquet", "arrow", "xlsx", "tar"):
        for where, record in read_records(path, Reading()):
            yield where, record if isinstance(record, FieldError) else _renamed(record, fields)
        return
    syntax = rdf_kind_of(path)
    if syntax and syntax != "N-Triples":  # which has a reader of its own, so that it needs no package
        yield from read_statements(path)
        return
    with opened(path) as source:
        header: list[str] = []
        shown_path = "<stdin>" if path == "-" else path
        for number, raw in enumerate(lines_of(source, shown_path), 1):
            where = f"{shown_path}:{number}"
            if isinstance(raw, TooLong):
                yield where, FieldError("", too_long())
                continue
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            if syntax:
                yield from ((where, parts) for parts in _statement(line))
            elif line.strip():
                cells = line.split("\t")
                if number == 1 and (header := _header_of(cells, fields, least)):
                    continue
                yield where, _parts_of(cells, header or list(fields), least)


def _statement(line: str) -> Iterator[dict[str, str] | FieldError]:
    try:
        terms = parse_statement(line)
    except FieldError as error:
        yield error
        return
    if terms is not None:
        yield dict(zip(("subject", "relation", "object", "language"), terms, strict=True))


def _header_of(cells: list[str], fields: dict[str, tuple[str, ...]], least: int) -> list[str]:
    """The field of each cell if the line is a header; else an empty list."""
    known = {name: field for field, names in fields.items() for name in names}
    header = [known.get(cell.strip().casefold(), "") for cell in cells]
    return header if len(set(header) - {""}) >= least and header.count("") == 0 else []


def _parts_of(cells: list[str], header: list[str], least: int) -> dict[str, str] | FieldError:
    if not least <= len(cells) <= len(header):
        expected = f"{least} to {len(header)}" if least < len(header) else f"{least}"
        return FieldError("", f"expected {expected} fields separated by tabs, got {len(cells)}: {shown(cells)}")
    return dict(zip(header, cells, strict=False))


def _renamed(record: dict[str, Any], fields: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The record with the fields by their first names; other fields stay."""
    values = dict(record)
    for field, names in fields.items():
        name = next((name for name in names if record.get(name) is not None), None)
        if name is not None:
            values[field] = record[name]
    return values


def _word(parts: dict[str, Any], field: str) -> str:
    """A value of a triple as text without white space at its ends; numbers are written as they are."""
    value = parts.get(field)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        got = shown(value) if field in parts else "nothing"
        raise FieldError(field, f"expected a name or an id, got {got}", SHAPE_HINT if field in TRIPLE_FIELDS else "")
    if not is_unicode(value):
        raise FieldError(field, f"expected text in UTF-8, got {shown(value)}")
    return value.strip()


def _names_of(parts: dict[str, Any]) -> Iterator[EntityName]:
    identity = _word(parts, "id")
    language = parts.get("language") or ""
    if not isinstance(language, str):
        raise FieldError("language", f"expected a string, got {shown(language)}")
    more = parts.get("aliases") or []
    if not isinstance(more, list):
        raise FieldError("aliases", f"expected a list, got {shown(more)}")
    given = [parts["alias"]] if "alias" in parts else []
    values = [_word({"alias": value}, "alias") for value in given + more]
    if not values:
        raise FieldError("alias", "expected a name, got nothing")
    yield from (EntityName(identity, value, language.strip()) for value in values)


def _of_mapping(path: str) -> Iterator[tuple[str, Any]]:
    """The names of a JSON file: records in a list, or an object with ids as keys, which is read as a whole."""
    with opened(path, "json") as source:
        data = source.read()
    if not data.lstrip().startswith(b"{"):
        yield from _located(path, NAME_FIELDS, 2)
        return
    try:
        whole = loads(data.decode("utf-8-sig"))
    except ValueError as error:
        yield f"{path}:1", FieldError("", f"expected a JSON object, got {error}")
        return
    for identity, value in whole.items():
        parts = (
            value if isinstance(value, dict) else {"aliases": value} if isinstance(value, list) else {"alias": value}
        )
        yield f"{path}:{shown(identity)}", {**_renamed(parts, {"alias": NAME_FIELDS["alias"]}), "id": identity}
