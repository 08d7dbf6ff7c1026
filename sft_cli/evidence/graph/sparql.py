"""The triples that a SPARQL query chooses from RDF files, and the names of their labels."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sft_cli.evidence.graph.rdf import PYOXIGRAPH, read_quads, statement_of
from sft_cli.run.errors import FieldError, UserError, require, shown
from sft_cli.run.ledger import Ledger

VARIABLES = ("subject", "relation", "object")
QUERY_ERROR = re.compile(r"error at (\d+):(\d+): ")
QUERY_HINT = "SELECT ?subject ?relation ?object, or CONSTRUCT"
LOADED, WITHOUT_VALUE = "statements loaded for --sparql", "results of the query without a value"

Located = tuple[str, dict[str, str] | FieldError]


def chosen_statements(paths: Iterable[str], query: str, labels: Sequence[str], ledger: Ledger) -> Iterator[Located]:
    """(place, statement) of each result of a query over these files, and then of the labels of all of them.

    query: a file. labels: the predicates of labels. The files are loaded into a store in the folder of TMPDIR, which
    is removed. Named graphs are searched as one graph. Bad statements of the files go to the ledger. Raises UserError
    for a query that is wrong or finds nothing.
    """
    require("pyoxigraph", "--sparql", PYOXIGRAPH)
    from pyoxigraph import NamedNode, Store

    text = _query_text(query)
    _results(Store(), query, text)  # an error in the query is reported before large files are read
    with tempfile.TemporaryDirectory(prefix="sft-rdf-") as folder:
        store = Store(Path(folder))
        store.bulk_extend(_good_quads(paths, ledger))
        number = 0
        for number, terms in enumerate(_chosen_terms(store, query, text, ledger), 1):
            if not _is_label_of(store, terms, labels):  # those are read below
                yield f"{query}:result {number:,}", statement_of(*terms)
        if not number:
            raise UserError(
                f"--sparql: {query}: expected a query that finds triples, got none from "
                f"{ledger.counts[LOADED]:,} statements of --knowledge"
            )
        for label in labels:
            quads: Iterator[Any] = store.quads_for_pattern(None, NamedNode(label), None, None)
            for quad in quads:
                yield f"--knowledge:{quad.subject}", statement_of(quad.subject, quad.predicate, quad.object)
        del store  # before its folder is removed


def _query_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"--sparql: {path}: cannot read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--sparql: {path}: expected UTF-8, got {error.reason}") from error


def _good_quads(paths: Iterable[str], ledger: Ledger) -> Iterator[Any]:
    for path in paths:
        for where, quad in read_quads(path):
            if isinstance(quad, FieldError):
                ledger.reject(where, quad)
                continue
            ledger.count(LOADED)
            yield quad


def _is_label_of(store: Any, terms: list[Any], labels: Sequence[str]) -> bool:
    """Whether three terms are a label that the files have."""
    from pyoxigraph import Literal

    return terms[1].value in labels and not isinstance(terms[0], Literal) and any(store.quads_for_pattern(*terms, None))


def _chosen_terms(store: Any, path: str, text: str, ledger: Ledger) -> Iterator[list[Any]]:
    from pyoxigraph import QuerySolutions

    results = _results(store, path, text)
    is_select = isinstance(results, QuerySolutions)
    try:
        for result in results:
            terms = [result[name] for name in VARIABLES] if is_select else list(result)
            if None in terms:
                ledger.count(WITHOUT_VALUE)
                continue
            yield terms
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"--sparql: {path}: the query failed: {error}") from error


def _results(store: Any, path: str, text: str) -> Any:
    """The results of a query; raises UserError if it is wrong, or has no triples."""
    from pyoxigraph import QueryBoolean, QuerySolutions

    try:
        results = store.query(text, use_default_graph_as_union=True)
    except SyntaxError as error:
        raise UserError(_syntax_error(path, text, str(error))) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"--sparql: {path}: the query failed: {error}") from error
    if isinstance(results, QueryBoolean):
        raise UserError(f"--sparql: {path}: expected {QUERY_HINT}, got ASK")
    if isinstance(results, QuerySolutions):
        names = [variable.value for variable in results.variables]
        if missing := [f"?{name}" for name in VARIABLES if name not in names]:
            given = ", ".join(f"?{name}" for name in names)
            raise UserError(f"--sparql: {path}: expected {QUERY_HINT}, got no {missing[0]} in {given}")
    return results


def _syntax_error(path: str, text: str, problem: str) -> str:
    place = QUERY_ERROR.match(problem)
    if place is None:
        return f"{path}: expected SPARQL, got an error: {problem.splitlines()[0]}"
    line, column = int(place[1]), int(place[2])
    expected = "a prefix that the query declares with PREFIX" if "Prefix not found" in problem else "SPARQL"
    line_text = "".join(text.split("\n")[line - 1 : line])
    return f"{path}:{line}: expected {expected}, got an error at column {column} of {shown(line_text)}"
