"""Triples are read from every kind of file, bad lines are named, and a name is never SQL."""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.graph.ntriples import parse_statement
from sft_cli.evidence.graph.store import TripleStore, build_store
from sft_cli.evidence.graph.triples import EntityName, Triple, read_names, read_triples
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger

FRANCE = Triple("Q142", "P36", "Q90")
CHINA = Triple("中国", "首都", "北京")


def triples_of(path: Path, text: str) -> list[Triple]:
    path.write_text(text, encoding="utf-8")
    ledger = Ledger()
    found = list(read_triples(str(path), ledger))
    ledger.close()
    return found


def names_of(path: Path, text: str) -> list[EntityName]:
    path.write_text(text, encoding="utf-8")
    ledger = Ledger()
    found = list(read_names(str(path), ledger))
    ledger.close()
    return found


def store_of(folder: Path, text: str, names: str = "") -> TripleStore:
    (folder / "g.tsv").write_text(text, encoding="utf-8")
    (folder / "n.tsv").write_text(names, encoding="utf-8")
    return build_store([str(folder / "g.tsv")], [str(folder / "n.tsv")], None, Ledger())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.tsv", "Q142\tP36\tQ90\n中国\t首都\t北京\n"),
        ("g.txt", "\ufeffQ142\tP36\tQ90\r\n\n中国\t首都\t北京"),
        ("g.tsv", "relation\thead\ttail\nP36\tQ142\tQ90\n首都\t中国\t北京\n"),
        ("g.tsv", "主语\t关系\t宾语\nQ142\tP36\tQ90\n中国\t首都\t北京\n"),
        (
            "g.jsonl",
            '{"subject": "Q142", "relation": "P36", "object": "Q90"}\n{"head": "中国", "r": "首都", "tail": "北京"}\n',
        ),
        ("g.nt", '# all\n<Q142> <P36> <Q90> .\n\n<\\u4e2d\\u56fd> <首都> "北\\u4eac"@zh . # Beijing\n'),
    ],
)
def test_every_kind_of_file_has_the_same_triples(tmp_path: Path, name: str, text: str) -> None:
    assert triples_of(tmp_path / name, text) == [FRANCE, CHINA]


def test_a_first_line_that_is_a_triple_is_not_a_header(tmp_path: Path) -> None:
    assert triples_of(tmp_path / "g.tsv", "subject\tis a\tword\n") == [Triple("subject", "is a", "word")]
    assert triples_of(tmp_path / "h.tsv", 'a "b\tr\tc"\n') == [Triple('a "b', "r", 'c"')]  # quotes are characters


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.tsv", "a\tr\tb\na\tr\n", "g.tsv:2: expected 3 fields separated by tabs, got 2"),
        ("g.tsv", "a\tr\tb\na\t \tb\n", 'g.tsv:2: relation: expected a name or an id, got " "'),
        ("g.jsonl", '{"subject": "a", "relation": "r"}\n', "g.jsonl:1: object: expected a name or an id, got nothing"),
        ("g.jsonl", '{"s": "a", "r": ["x"], "o": 7}\n', 'g.jsonl:1: relation: expected a name or an id, got ["x"]'),
        ("g.nt", "<a> <r> <b>\n", 'g.nt:1: expected a full stop at the end of the statement, got ""'),
        ("g.nt", '\n<a> <r> "b .\n', "g.nt:2: object: expected <IRI> or _:node or"),
        ("g.nt", '<a> "r" <b> .\n', "g.nt:1: relation: expected <IRI>, got"),
        ("g.nt", '<a> <r> "\\uD800" .\n', "g.nt:1: object: expected the code of a character"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match="1 bad row") as caught:
        triples_of(tmp_path / name, text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n.tsv", "Q90\tParis\ten\nQ90\t巴黎\tzh\nQ1\tx\n"),
        ("n.tsv", "alias\tid\tlang\nParis\tQ90\ten\n巴黎\tQ90\tzh\nx\tQ1\n"),
        (
            "n.jsonl",
            '{"id": "Q90", "label": "Paris", "language": "en"}\n{"entity": "Q90", "aliases": ["巴黎"], '
            '"lang": "zh"}\n{"id": "Q1", "alias": "x"}\n',
        ),
        (
            "n.json",
            '[{"id": "Q90", "alias": "Paris", "language": "en"}, {"id": "Q90", "alias": "巴黎", "language": "zh"},'
            ' {"id": "Q1", "alias": "x"}]',
        ),
    ],
)
def test_names_are_read_from_tables_and_records(tmp_path: Path, name: str, text: str) -> None:
    expected = [EntityName("Q90", "Paris", "en"), EntityName("Q90", "巴黎", "zh"), EntityName("Q1", "x", "")]
    assert names_of(tmp_path / name, text) == expected


def test_names_are_read_from_an_object_with_ids_as_keys_and_from_labels(tmp_path: Path) -> None:
    text = '{"P36": {"label": "capital", "description": "a city"}, "P37": ["a", "b"], "P38": "currency"}'
    assert [name[:2] for name in names_of(tmp_path / "n.json", text)] == [
        ("P36", "capital"),
        ("P37", "a"),
        ("P37", "b"),
        ("P38", "currency"),
    ]
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    text = f'<Q90> <{label}> "巴黎"@zh-Hans .\n<Q90> <http://x/born> "1" .\n'
    assert names_of(tmp_path / "n.nt", text) == [EntityName("Q90", "巴黎", "zh-Hans")]
    with pytest.raises(UserError, match=r"n\.json:\"P36\": alias: expected a name or an id, got true"):
        names_of(tmp_path / "n.json", '{"P36": {"label": true}}')


def test_a_store_answers_and_equal_triples_are_counted(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_text("a\tr\tc\na\tr\tb\na\tr\tb\nd\tr\tb\nd\tq\ta\n", encoding="utf-8")
    (tmp_path / "n.tsv").write_text("a\tAnna\nr\tlikes\nz\tZoe\ten\n", encoding="utf-8")
    ledger = Ledger()
    target = tmp_path / "graph.sqlite"
    store = build_store([str(tmp_path / "g.tsv")], [str(tmp_path / "n.tsv")], target, ledger)
    assert ledger.counts == {"triples read": 5, "names read": 3, "equal triples left out": 1}
    assert store.objects("a", "r") == ["b", "c"]
    assert store.subjects("r", "b") == ["a", "d"]
    assert store.has(Triple("d", "q", "a"))
    assert not store.has(Triple("a", "q", "d"))
    assert [tuple(facts) for facts in store.relations()] == [("q", 1, 1, 1, 1, 1), ("r", 3, 2, 1, 2, 1)]
    assert sorted(store.entity_names()) == [
        *(("Anna", "a"), ("Zoe", "z"), ("a", "a"), ("b", "b"), ("c", "c"), ("d", "d")),
    ]  # `likes` names a relation
    with pytest.raises(UserError, match="expected a new file"):
        build_store([], [], target, ledger)


def test_a_graph_that_was_not_finished_is_removed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        build_store([str(tmp_path / "missing.tsv")], [], tmp_path / "graph.sqlite", Ledger())
    assert not (tmp_path / "graph.sqlite").exists()


def test_sql_in_a_name_is_data(tmp_path: Path) -> None:
    evil = "x'); DROP TABLE triples; --"
    store = store_of(tmp_path, f'{evil}\t{evil}\t"{evil}\n', f"{evil}\t' OR 1=1 --\n")
    assert store.objects(evil, evil) == [f'"{evil}']
    assert store.objects("' OR 1=1 --", evil) == []
    assert store.aliases(evil) == ["' OR 1=1 --"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1).filter(str.strip)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
def test_what_is_written_is_read(rows: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("graph")
    lines = "".join("\t".join(row) + "\n" for row in [("subject", "relation", "object"), *rows])
    store = store_of(folder, lines)
    expected = {Triple(*(part.strip() for part in row)) for row in rows}
    assert set(store.triples()) == expected
    assert all(store.has(triple) and triple.object in store.objects(*triple[:2]) for triple in expected)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_a_literal(text: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in text)
    assert parse_statement(f'_:b1 <r> "{escaped}"@en-GB.') == ("_:b1", "r", text, "en-GB")


@given(line=st.text())
def test_any_line_is_a_statement_or_an_error(line: str) -> None:
    with contextlib.suppress(FieldError):
        parse_statement(line)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "line"),
    [("tsv", "subject {0}\tr{1}\tobject {2}\n"), ("ttl", "<http://e/{0}> <http://e/r{1}> 'object {2}' .\n")],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str, line: str) -> None:
    peaks = []
    for rows in (20_000, 80_000):
        path = tmp_path / f"{rows}.{ending}"
        path.write_text("".join(line.format(n, n % 7, n % 999) for n in range(rows)))
        tracemalloc.start()
        store = build_store([str(path)], [], tmp_path / f"{rows}.sqlite", Ledger())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(facts.triples for facts in store.relations()) == rows
        store.close()
    assert peaks[1] < 1.2 * peaks[0]
