"""A graph of triples in SQLite: a file or memory, read by subject and relation or by relation and object."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sft_cli.evidence.graph.link import fold_name
from sft_cli.evidence.graph.sparql import LOADED, WITHOUT_VALUE
from sft_cli.evidence.graph.triples import (
    LABELS_READ,
    TRIPLES_READ,
    EntityName,
    Triple,
    query_triples,
    read_names,
    read_triples,
)
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted

ROWS_INSERTED = 10_000  # triples that are inserted together
EQUAL = "equal triples left out"
# Triples are sorted outside of memory before they are inserted, so that each page of the tree is written once.
TABLES = """
CREATE TABLE triples (subject TEXT, relation TEXT, object TEXT, PRIMARY KEY (subject, relation, object)) WITHOUT ROWID;
CREATE TABLE names (id TEXT, alias TEXT, language TEXT, PRIMARY KEY (id, alias, language)) WITHOUT ROWID;
CREATE TABLE relations (
    relation TEXT PRIMARY KEY, triples INTEGER, subjects INTEGER, single_subjects INTEGER, objects INTEGER,
    single_objects INTEGER
) WITHOUT ROWID;
CREATE TABLE entities (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
STAGED = """
CREATE TEMP TABLE staged_triples (subject TEXT, relation TEXT, object TEXT);
CREATE TEMP TABLE staged_names (id TEXT, alias TEXT, language TEXT);
"""
FILL = """
INSERT INTO triples SELECT DISTINCT subject, relation, object FROM staged_triples ORDER BY 1, 2, 3;
INSERT INTO names SELECT DISTINCT id, alias, language FROM staged_names ORDER BY 1, 2, 3;
DROP TABLE staged_triples;
DROP TABLE staged_names;
CREATE INDEX triples_by_object ON triples (relation, object);
INSERT INTO entities SELECT subject FROM triples UNION SELECT object FROM triples ORDER BY 1;
INSERT INTO relations
    SELECT s.relation, s.n, s.many, s.single, o.many, o.single FROM
        (SELECT relation, SUM(n) AS n, COUNT(*) AS many, SUM(n = 1) AS single FROM
            (SELECT relation, COUNT(*) AS n FROM triples GROUP BY relation, subject) GROUP BY relation) AS s
        JOIN (SELECT relation, COUNT(*) AS many, SUM(n = 1) AS single FROM
            (SELECT relation, COUNT(*) AS n FROM triples GROUP BY relation, object) GROUP BY relation) AS o
        USING (relation);
"""


class RelationFacts(NamedTuple):
    """Numbers of a relation: its triples, its subjects and those with one object, its objects and those with one."""

    relation: str
    triples: int
    subjects: int
    single_subjects: int
    objects: int
    single_objects: int


class TripleStore:
    """The triples of a graph and the names of its entities and relations. Names are data, never a part of SQL."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def objects(self, subject: str, relation: str) -> list[str]:
        """The objects of a subject, sorted."""
        return self._column("SELECT object FROM triples WHERE relation = ? AND subject = ?", (relation, subject))

    def subjects(self, relation: str, object: str) -> list[str]:
        """The subjects of an object, sorted."""
        query = "SELECT subject FROM triples WHERE relation = ? AND object = ? ORDER BY 1"
        return self._column(query, (relation, object))

    def has(self, triple: Triple) -> bool:
        """Whether the graph has a triple."""
        query = "SELECT 1 FROM triples WHERE relation = ? AND subject = ? AND object = ?"
        return bool(self._column(query, (triple.relation, triple.subject, triple.object)))

    def only_objects(self, subject: str) -> list[str]:
        """The objects that are the only one of a relation of a subject; at most 1,000 of them."""
        query = "SELECT MIN(object) FROM triples WHERE subject = ? GROUP BY relation HAVING COUNT(*) = 1 LIMIT 1000"
        return self._column(query, (subject,))

    def relations(self) -> list[RelationFacts]:
        """The relations and their numbers, sorted by id."""
        return [RelationFacts(*row) for row in self.database.execute("SELECT * FROM relations")]

    def triples(self) -> Iterator[Triple]:
        """All triples, sorted by subject, relation and object."""
        rows = self.database.execute("SELECT subject, relation, object FROM triples ORDER BY subject, relation, object")
        return itertools.starmap(Triple, rows)

    def aliases(self, identity: str, language: str = "") -> list[str]:
        """The names of an entity or a relation, sorted; with a language, those of this language only."""
        query = "SELECT DISTINCT alias FROM names WHERE id = ?1 AND (?2 = '' OR language = ?2) ORDER BY 1"
        return self._column(query, (identity, language))

    def relation_ids(self) -> dict[str, str]:
        """The id of each relation by its id, and by its names as `fold_name` writes them, if one relation has the name.

        An id counts before a name.
        """
        named: dict[str, set[str]] = defaultdict(set)
        for facts in self.relations():
            for name in (facts.relation, *self.aliases(facts.relation)):
                named[fold_name(name)].add(facts.relation)
        known = {name: next(iter(ids)) for name, ids in named.items() if len(ids) == 1}
        return known | {facts.relation: facts.relation for facts in self.relations()}

    def names(self) -> Iterator[EntityName]:
        """All names of entities and relations, sorted by id."""
        return itertools.starmap(EntityName, self.database.execute("SELECT id, alias, language FROM names"))

    def entity_names(self) -> Iterator[tuple[str, str]]:
        """Pairs (name, entity): each name of an entity, and each id, because many graphs use names as ids.

        A name of an id that the graph has only as a relation is left out.
        """
        yield from self.database.execute("SELECT id, id FROM entities")
        yield from self.database.execute(
            "SELECT DISTINCT alias, id FROM names WHERE id IN (SELECT id FROM entities) "
            "OR id NOT IN (SELECT relation FROM relations)"
        )

    def _column(self, query: str, values: tuple[Any, ...]) -> list[str]:
        return [row[0] for row in self.database.execute(query, values)]


def build_store(
    paths: Iterable[str], aliases: Iterable[str], target: Path | None, ledger: Ledger, query: str | None = None
) -> TripleStore:
    """A store of the triples of these files and the names of those, in a new file `target`, or in memory (None).

    query: a file with the SPARQL query that chooses the triples of RDF files. The files are read as streams: memory
    does not grow with them, if the store is a file. Equal triples are stored once and counted in the ledger. Bad lines
    go to the ledger; the caller closes it. Raises UserError if the target is there already. A target that could not be
    finished is removed.
    """
    if target is not None and target.exists():
        raise UserError(f"{target}: expected a new file, got one that is there already")
    with _naming_errors(str(target or "the graph in memory")):
        database = sqlite3.connect(target or ":memory:")
        try:
            triples = (
                query_triples(paths, query, ledger)
                if query is not None
                else itertools.chain.from_iterable(read_triples(path, ledger) for path in paths)
            )
            _fill(database, triples, aliases, ledger)
        except BaseException:
            database.close()
            if target is not None:
                target.unlink(missing_ok=True)
            raise
    return TripleStore(database)


def reading_notes(ledger: Ledger) -> Iterator[str]:
    """What `build_store` read and left out, as lines for the user."""
    counts = ledger.counts
    equal = counts[EQUAL]
    yield f"knowledge: {counted(counts[TRIPLES_READ], 'triple')}" + (
        f", {equal:,} of them equal to others" if equal else ""
    )
    if counts[LOADED]:
        yield f"knowledge: --sparql chose these triples from {counted(counts[LOADED], 'statement')}"
    if counts[WITHOUT_VALUE]:
        results = counted(counts[WITHOUT_VALUE], "result")
        yield f"knowledge: {results} of --sparql with a variable that has no value, left out"
    if counts[LABELS_READ]:
        yield f"knowledge: {counted(counts[LABELS_READ], 'name')} read from rdfs:label and the like"


def _fill(
    database: sqlite3.Connection, triples: Iterable[Triple | EntityName], aliases: Iterable[str], ledger: Ledger
) -> None:
    database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES} {STAGED}")
    staged = _insert(database, triples)
    _insert(database, itertools.chain.from_iterable(read_names(path, ledger) for path in aliases))
    database.executescript(FILL)
    stored = database.execute("SELECT SUM(triples) FROM relations").fetchone()[0] or 0
    if staged > stored:
        ledger.count(EQUAL, staged - stored)
    database.commit()


def _insert(database: sqlite3.Connection, rows: Iterable[Triple | EntityName]) -> int:
    """Insert triples and names in batches; returns the number of triples."""
    rows, number = iter(rows), 0
    while batch := list(itertools.islice(rows, ROWS_INSERTED)):
        triples = [row for row in batch if isinstance(row, Triple)]
        database.executemany("INSERT INTO staged_triples VALUES (?, ?, ?)", triples)
        names = [row for row in batch if isinstance(row, EntityName)]
        database.executemany("INSERT INTO staged_names VALUES (?, ?, ?)", names)
        number += len(triples)
    database.commit()
    return number


@contextlib.contextmanager
def _naming_errors(path: str) -> Iterator[None]:
    """Turns an error of SQLite into a UserError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(f"{path}: the triples cannot be stored: {error}") from error
