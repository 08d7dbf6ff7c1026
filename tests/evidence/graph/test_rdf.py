"""RDF has the same triples and names in every syntax, wrong lines are named, and a query chooses triples."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, serialize

from sft_cli.evidence.graph.store import TripleStore, build_store, reading_notes
from sft_cli.evidence.graph.triples import EntityName, Triple, read_names
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger

LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
TURTLE = f"""@prefix e: <http://e/> .
e:fr e:capital e:paris ; <{LABEL}> "France"@en .
e:paris e:people 2102650 .
"""
XML = f"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e/" xmlns:l="{LABEL[:-5]}">
<rdf:Description rdf:about="http://e/fr"><e:capital rdf:resource="http://e/paris"/>
<l:label xml:lang="en">France</l:label></rdf:Description>
<rdf:Description rdf:about="http://e/paris"><e:people>2102650</e:people></rdf:Description>
</rdf:RDF>
"""
LINES = (
    "<http://e/fr> <http://e/capital> <http://e/paris>{g} .\n"
    f'<http://e/fr> <{LABEL}> "France"@en{{g}} .\n'
    '<http://e/paris> <http://e/people> "2102650"{g} .\n'
)
SAME = {
    "g.ttl": TURTLE,
    "g.trig": TURTLE.replace("e:fr", "<http://g> { e:fr", 1) + "}",
    "g.nt": LINES.replace("{g}", ""),
    "g.nq": LINES.replace("{g}", " <http://g>"),
    "g.rdf": XML,
    "g.owl": XML,
}


def loaded(path: Path, text: str | bytes, query: str | None = None) -> tuple[TripleStore, list[str]]:
    """The store of a file, and the messages; raises UserError for bad lines."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    if query is not None:
        (path.parent / "q.rq").write_text(query)
    ledger = Ledger()
    store = build_store([str(path)], [], None, ledger, str(path.parent / "q.rq") if query is not None else None)
    ledger.close()
    return store, list(reading_notes(ledger))


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_every_syntax_has_the_same_triples_and_names(tmp_path: Path, name: str, is_compressed: bool) -> None:
    text = SAME[name].encode()
    path = tmp_path / (f"{name}.gz" if is_compressed else name)
    store, notes = loaded(path, gzip.compress(text) if is_compressed else text)
    assert list(store.triples()) == [
        Triple("http://e/fr", "http://e/capital", "http://e/paris"),
        Triple("http://e/paris", "http://e/people", "2102650"),
    ]
    assert list(store.names()) == [EntityName("http://e/fr", "France", "en")]
    assert notes == ["knowledge: 2 triples", "knowledge: 1 name read from rdfs:label and the like"]
    assert list(read_names(str(path), Ledger())) == list(store.names())  # as --aliases


@pytest.mark.parametrize("name", ["prefLabel", "altLabel"])
def test_labels_of_skos_are_names(tmp_path: Path, name: str) -> None:
    store, _ = loaded(tmp_path / "g.ttl", f'<http://e/a> <http://www.w3.org/2004/02/skos/core#{name}> "甲"@zh .')
    assert list(store.names()) == [EntityName("http://e/a", "甲", "zh")]
    assert not list(store.triples())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.ttl", "<http://a> <http://b> <http://c> .\n<http://a> <http://b> .\n", "g.ttl:2: expected Turtle, got an "),
        ("g.ttl", "\ne:a e:b e:c .", "g.ttl:2: expected Turtle, got an error: The prefix e: has not been declared"),
        ("g.trig", "<http://g> { <http://a> }", "g.trig:1: expected TriG, got an error"),
        (
            "g.rdf",
            "<?xml version='1.0'?>\n<a:b xmlns:a='http://x/'>\n<a:c></a:d>",
            "g.rdf:3: expected RDF/XML, got an ",
        ),
        ("g.nq", "<http://a> <http://b> <http://c> .\nfoo .\n", "g.nq:2: expected N-Quads, got an error: The subject"),
        ("g.ttl", b'<http://a> <http://b> "\xff" .\n', "g.ttl:1: expected Turtle, got an error: Invalid UTF-8"),
        ("g.ttl", '<a> <b> "x" ;\n <c> "" .\n', 'g.ttl:2: object: expected a name or an id, got ""'),
        ("g.ttl", f'<a> <b> "x" .\n<a> <{LABEL}> "" .\n', 'g.ttl:2: alias: expected a name or an id, got ""'),
        (
            "g.ttl",
            "<a> <b> <<( <a> <b> <c> )>> .\n",
            "g.ttl:1: object: expected an IRI, a literal or a blank node, got",
        ),
        ("g.ttl.gz", gzip.compress(TURTLE.encode() * 99, mtime=0)[:80], "g.ttl.gz: cannot read: "),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path / name, text)
    assert message in str(caught.value)


def test_a_wrong_line_of_n_quads_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "g.nq").write_text("<http://a> <http://b> <http://c> .\nfoo .\n<http://a> <http://b> <http://d> .\n")
    ledger = Ledger(on_error="skip")
    store = build_store([str(tmp_path / "g.nq")], [], None, ledger)
    assert store.objects("http://a", "http://b") == ["http://c", "http://d"]
    assert ledger.rejected == 1


def test_a_byte_order_mark_and_relative_iris_are_read(tmp_path: Path) -> None:
    store, _ = loaded(tmp_path / "g.ttl", '\ufeff<Q142> <P36> "Paris" .')
    assert list(store.triples()) == [Triple("Q142", "P36", "Paris")]


@pytest.mark.parametrize("query", [None, "CONSTRUCT WHERE { ?s ?p ?o }"])
def test_nodes_without_a_name_are_the_same_each_time(tmp_path: Path, query: str | None) -> None:
    text = f'<http://a> <http://b> [ <{LABEL}> "x" ; <http://c> ( 1 2 ) ] , [] , _:named .'
    stores = [loaded(tmp_path / "g.ttl", text, query)[0] for _ in range(2)]
    assert list(stores[0].triples()) == list(stores[1].triples())
    assert list(stores[0].names()) == list(stores[1].names())
    assert len(stores[0].objects("http://a", "http://b")) == 3
    assert next(iter(stores[0].names())).id in stores[0].objects("http://a", "http://b")


def without(package: str, monkeypatch: Any) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest)
    )


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    without("pyoxigraph", monkeypatch)
    assert list(loaded(tmp_path / "g.nt", SAME["g.nt"])[0].triples())  # N-Triples needs no package
    hint = "needs the package pyoxigraph\nhint: pip install 'pyoxigraph>=0.5'"
    with pytest.raises(UserError, match=hint) as caught:
        loaded(tmp_path / "g.ttl", TURTLE)
    assert str(caught.value).startswith(f"{tmp_path}/g.ttl: ")
    with pytest.raises(UserError, match=f"--sparql: {hint}"):
        loaded(tmp_path / "g.nt", SAME["g.nt"], "CONSTRUCT WHERE { ?s ?p ?o }")


SELECTED = "SELECT ?subject ?relation ?object WHERE { ?subject ?relation ?object . FILTER(isIRI(?object)) }"


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("query", [SELECTED, "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o FILTER(isIRI(?o)) }"])
def test_a_query_chooses_triples_and_all_labels_are_names(tmp_path: Path, name: str, query: str) -> None:
    store, notes = loaded(tmp_path / name, SAME[name], query)
    assert list(store.triples()) == [Triple("http://e/fr", "http://e/capital", "http://e/paris")]
    assert list(store.names()) == [EntityName("http://e/fr", "France", "en")]
    assert notes == [
        "knowledge: 1 triple",
        "knowledge: --sparql chose these triples from 3 statements",
        "knowledge: 1 name read from rdfs:label and the like",
    ]


def test_a_query_can_make_triples_and_labels(tmp_path: Path) -> None:
    query = f"CONSTRUCT {{ ?s <capital> ?o . ?o <{LABEL}> 'Paris'@fr }} WHERE {{ ?s <http://e/capital> ?o }}"
    with pytest.raises(UserError, match=r"q\.rq:1: expected SPARQL"):
        loaded(tmp_path / "g.ttl", TURTLE, query)  # a relative IRI
    store, _ = loaded(tmp_path / "g.ttl", TURTLE, query.replace("<capital>", "<http://f/capital>"))
    assert list(store.triples()) == [Triple("http://e/fr", "http://f/capital", "http://e/paris")]
    assert [name.alias for name in store.names()] == ["France", "Paris"]


def test_results_without_a_value_are_counted(tmp_path: Path) -> None:
    query = """SELECT ?subject ?relation ?object
WHERE { ?subject <http://e/capital>|<http://e/people> ?o . BIND(<http://e/r> AS ?relation)
OPTIONAL { ?subject <http://e/capital> ?object } }"""
    _, notes = loaded(tmp_path / "g.ttl", TURTLE, query)
    assert notes[2] == "knowledge: 1 result of --sparql with a variable that has no value, left out"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT ?subject {\n ?s ?p \n}", 'q.rq:3: expected SPARQL, got an error at column 2 of "}"'),
        ("", 'q.rq:1: expected SPARQL, got an error at column 1 of ""'),
        (
            "CONSTRUCT WHERE {\n ?s foaf:name ?o }",
            "q.rq:2: expected a prefix that the query declares with PREFIX, got ",
        ),
        ("ASK { ?s ?p ?o }", "q.rq: expected SELECT ?subject ?relation ?object, or CONSTRUCT, got ASK"),
        ("SELECT ?subject ?o { ?subject ?p ?o }", "or CONSTRUCT, got no ?relation in ?subject, ?o"),
        ("CONSTRUCT WHERE { <http://no> ?p ?o }", "expected a query that finds triples, got none from 3 statements"),
        (SELECTED.replace("isIRI", "<http://no/f>"), "q.rq: the query failed: The custom function"),
    ],
)
def test_a_wrong_query_is_named(tmp_path: Path, query: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path / "g.ttl", TURTLE, query)
    assert message in str(caught.value)


def test_a_missing_query_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--sparql: .*q\.rq: cannot read: No such file"):
        build_store([], [], None, Ledger(), str(tmp_path / "q.rq"))
    (tmp_path / "q.rq").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"--sparql: .*q\.rq: expected UTF-8, got invalid start byte"):
        build_store([], [], None, Ledger(), str(tmp_path / "q.rq"))


NAME = st.text("abcé中", min_size=1, max_size=3)
VALUE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip)


@given(rows=st.lists(st.tuples(NAME, NAME, VALUE), max_size=5))
def test_what_pyoxigraph_writes_is_read(
    rows: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rdf")
    quads = [Quad(NamedNode(f"http://e/{s}"), NamedNode(f"http://e/{r}"), Literal(o)) for s, r, o in rows]
    expected = {Triple(f"http://e/{s}", f"http://e/{r}", o.strip()) for s, r, o in rows}
    for form in (RdfFormat.TURTLE, RdfFormat.TRIG, RdfFormat.N_QUADS, RdfFormat.N_TRIPLES, RdfFormat.RDF_XML):
        text = serialize([quad.triple for quad in quads], format=form)
        store, _ = loaded(folder / f"g.{form.file_extension}", text)
        assert set(store.triples()) == expected
