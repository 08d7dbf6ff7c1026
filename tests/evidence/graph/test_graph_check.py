"""A graph contradicts only what it can: relations with one object, subjects with one object, names that differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.graph.check import FunctionalRule, GraphChecker, functional_relations, load_checker
from sft_cli.evidence.graph.link import EntityLinker
from sft_cli.evidence.graph.patterns import PatternMatcher, compile_pattern
from sft_cli.evidence.graph.store import TripleStore, build_store
from sft_cli.evidence.graph.triples import Triple
from sft_cli.run.errors import UserError
from sft_cli.run.ledger import Ledger

TRIPLES = """
France	currency	EUR
Australia	currency	AUD
Panama	currency	PAB
Panama	currency	USD
CongoK	currency	CDF
CongoB	currency	XAF
Paris	country	France
Berlin	country	Germany
Satie	born	Paris
Bach	born	Eisenach
France	capital	Paris
Germany	capital	Berlin
"""
NAMES = """
EUR	euro
EUR	欧元
AUD	Australian dollar
AUD	澳大利亚元
USD	US dollar
USD	美元
GEN	dollar
PAB	balboa
CDF	Congolese franc
XAF	CFA franc
CongoK	Congo
CongoB	Congo
France	法国
Australia	澳大利亚
Panama	巴拿马
Rome	Rome
currency	货币
"""
PATTERNS = {
    "currency": ["the currency of {subject} is {object}", "{subject}的货币是{object}"],
    "born": ["{subject} was born in {object}"],
    "capital": ["{object} is the capital of {subject}"],
}
LISTED = FunctionalRule(
    functional=frozenset({"currency", "born", "capital"}), inverse_functional=frozenset({"capital"})
)


def store_with(folder: Path, triples: str, names: str = "") -> TripleStore:
    (folder / "g.tsv").write_text(triples, encoding="utf-8")
    (folder / "n.tsv").write_text(names, encoding="utf-8")
    ledger = Ledger()
    store = build_store([str(folder / "g.tsv")], [str(folder / "n.tsv")], None, ledger)
    ledger.close()
    return store


def checker_of(store: TripleStore, rule: FunctionalRule) -> GraphChecker:
    patterns = [p for name, texts in PATTERNS.items() for text in texts for p in compile_pattern(name, text)]
    return GraphChecker(store, EntityLinker(store.entity_names()), PatternMatcher(patterns), rule)


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> GraphChecker:
    return checker_of(store_with(tmp_path_factory.mktemp("graph"), TRIPLES, NAMES), LISTED)


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The currency of France is the euro.", "supported"),
        ("The currency of France is the US dollar.", "contradicted"),
        ("法国的货币是欧元。", "supported"),
        ("法国的货币是美元。", "contradicted"),
        ("The currency of Panama is the US dollar.", "supported"),
        ("The currency of Panama is the euro.", "unknown"),  # Panama has two, so it may have three
        ("巴拿马的货币是欧元。", "unknown"),
        ("The currency of Australia is the dollar.", "unknown"),  # it may be the Australian one
        ("The currency of Rome is the euro.", "unknown"),  # the graph has no currency of Rome
        ("The currency of Congo is the Congolese franc.", "supported"),  # of one of the two
        ("The currency of Congo is the euro.", "contradicted"),  # of neither
        ("Satie was born in Paris.", "supported"),
        ("Satie was born in France.", "unknown"),  # Paris is in France
        ("Satie was born in Berlin.", "contradicted"),
        ("Berlin is the capital of France.", "contradicted"),
        ("Paris is the capital of Rome.", "contradicted"),  # Paris is the capital of one country
        ("Rome is the capital of Panama.", "unknown"),
    ],
)
def test_the_verdict_of_a_sentence(checker: GraphChecker, sentence: str, verdict: str) -> None:
    assert [entry.verdict for entry in checker.check(sentence)] == [verdict]


def test_a_verdict_names_the_triple_the_place_and_what_the_graph_has(checker: GraphChecker) -> None:
    sentence = "We read: 法国的货币是美元。"
    (entry,) = checker.check(sentence)
    assert (entry.subject, entry.relation, entry.object) == ("法国", "currency", "美元")
    assert sentence[entry.start : entry.end] == "法国的货币是美元"
    assert entry.triple == Triple("France", "currency", "USD")
    assert entry.known == [Triple("France", "currency", "EUR")]
    (entry,) = checker.check("Paris is the capital of Rome.")
    assert entry.known == [Triple("France", "capital", "Paris")]
    assert checker.check("Nothing is said here.") == []


def test_a_relation_is_functional_by_its_numbers(tmp_path: Path) -> None:
    rows = [f"s{n}\tr\to{n % 9}\n" for n in range(200)]
    store = store_with(tmp_path, "".join([*rows, "s0\tr\tother\n", "s1\tr\tother\n"]))
    assert functional_relations(store, FunctionalRule()) == ({"r"}, set())
    assert functional_relations(store, FunctionalRule(share=0.995)) == (set(), set())
    assert functional_relations(store, FunctionalRule(least=201)) == (set(), set())
    checker = checker_of(store, FunctionalRule())
    assert checker.verdict([Triple("s5", "r", "o6")], ("s5", "o6")) == (
        "contradicted",
        Triple("s5", "r", "o6"),
        [Triple("s5", "r", "o5")],
    )
    assert checker.verdict([Triple("s0", "r", "o6")], ("s0", "o6"))[0] == "unknown"


def test_few_subjects_are_not_enough_unless_the_relation_is_listed(tmp_path: Path) -> None:
    store = store_with(tmp_path, "".join(f"s{n}\tr\to{n}\n" for n in range(20)))
    assert functional_relations(store, FunctionalRule()) == (set(), set())
    assert functional_relations(store, FunctionalRule(least=5)) == ({"r"}, {"r"})
    assert functional_relations(store, FunctionalRule(functional=frozenset({"r"}))) == ({"r"}, set())
    with pytest.raises(
        UserError, match='--functional: expected the id or a name of a relation in --knowledge, got "q"'
    ):
        functional_relations(store, FunctionalRule(functional=frozenset({"q"})))


IDS = st.sampled_from(["a", "b", "c", "d", "e"])
GRAPH = st.lists(st.tuples(IDS, st.sampled_from(["r", "q"]), IDS), min_size=1, max_size=12)


@given(graph=GRAPH, subject=IDS, relation=st.sampled_from(["r", "q"]), said=IDS)
def test_several_values_never_contradict(
    graph: list[tuple[str, str, str]],
    subject: str,
    relation: str,
    said: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = store_with(tmp_path_factory.mktemp("graph"), "".join("\t".join(row) + "\n" for row in graph))
    rule = FunctionalRule(share=0.0, least=0)  # everything is functional
    verdict, _, known = checker_of(store, rule).verdict([Triple(subject, relation, said)], (subject, said))
    values = {o for s, r, o in graph if (s, r) == (subject, relation)}
    assert (verdict == "supported") == (said in values)
    if len(values) > 1:
        assert verdict != "contradicted"
    assert bool(known) == (verdict == "contradicted")


def test_a_checker_is_made_of_files_with_names_of_relations(tmp_path: Path) -> None:
    store = store_with(
        tmp_path, "法国\tP36\t巴黎\nFrance\tP36\tParis\n", "P36\tcapital\nP36\t首都\n德国\t德国\nx\t上海\n"
    )
    (tmp_path / "p.txt").write_text("首都：{subject}的首都是{object}\ncapital: {object} is the capital of {subject}\n")
    ledger = Ledger()
    checker = load_checker(store, [str(tmp_path / "p.txt")], FunctionalRule(functional=frozenset({"首都"})), ledger)
    ledger.close()
    assert [entry.verdict for entry in checker.check("法国的首都是上海，而Paris is the capital of France")] == [
        *("contradicted", "supported"),
    ]
