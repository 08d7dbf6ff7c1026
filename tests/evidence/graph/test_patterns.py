"""A pattern reads what a sentence says, no more: not names that go on, not denials, not questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.graph.link import EntityLinker
from sft_cli.evidence.graph.patterns import Pattern, PatternMatcher, compile_pattern, read_patterns
from sft_cli.evidence.graph.propose import propose_patterns
from sft_cli.evidence.graph.triples import Triple
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger

NAMES = ["France", "Paris", "Congo", "Guinea", "Germany", "Berlin", "the Gambia", "Dalasi", "franc", "中国", "北京"]
LINKER = EntityLinker([*((name, name) for name in NAMES), ("法国", "France"), ("巴黎", "Paris"), ("上海", "上海")])
TEXTS = {
    "capital": [
        "the capital of {subject} is [the city of ]{object}.",
        "{object} is the capital of {subject}",
        "{subject}的首都是{object}。",
        "{subject}以{object}为首都",
    ],
    "money": ["{subject} uses {object}"],
}
MATCHER = PatternMatcher(p for name, texts in TEXTS.items() for text in texts for p in compile_pattern(name, text))


def read(sentence: str) -> list[str]:
    return [
        f"{sentence[t.subject.start : t.subject.end]} {t.relation} {sentence[t.object.start : t.object.end]}"
        for t in MATCHER.read(sentence, LINKER.find(sentence))
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The capital of France is Paris.", "France capital Paris"),
        ("the capital of the France is the city  of Paris, on a river", "France capital Paris"),
        ("Everybody knows the capital of France is Paris, not Berlin.", "France capital Paris"),
        ("PARIS IS THE CAPITAL OF FRANCE!", "FRANCE capital PARIS"),
        ("France is large, and Paris is the capital of France (a country).", "France capital Paris"),
        ("The Congo uses the franc and more.", "Congo money franc"),
        ("法国的首都是巴黎。", "法国 capital 巴黎"),
        ("法国 的首都是 巴黎 。", "法国 capital 巴黎"),
        ("因为法国的首都是巴黎，所以", "法国 capital 巴黎"),
        ("欧洲有很多国家，法国以巴黎为首都", "法国 capital 巴黎"),
        ("中国的首都是北京，不是上海", "中国 capital 北京"),
    ],
)
def test_a_sentence_is_read(sentence: str, expected: str) -> None:
    assert read(sentence) == [expected]


@pytest.mark.parametrize(
    "sentence",
    [
        "The capital of France is Paris Hilton.",
        "The former capital of France is Paris.",
        "The capital of France is Paris-Berlin.",
        "Paris is the capital of Guinea-Bissau.",
        "Paris is the capital of France's heart.",
        "The Republic of the Congo uses the franc.",  # perhaps another entity than Congo
        "It is not true that the capital of France is Paris.",
        "If the capital of France is Paris, then",
        "Some think the capital of France is Berlin.",
        "That the capital of France is Berlin is a myth.",
        "The capital of France is Berlin?",
        "The capital of France is Berlin, some say.",
        "In 1940, the capital of France is Berlin.",
        "1940年，中国的首都是上海。",
        "France used the franc until 2002.",
        "France uses the franc until 2002.",
        "中国的首都是北京大学。",
        "新中国的首都是北京。",
        "中国的首都不是北京。",
        "中国的首都是上海吗？",
        "中国的首都是上海，这是错误的。",
        "有人认为中国的首都是上海。",
        "Paris, France",
        "",
    ],
)
def test_a_sentence_says_nothing(sentence: str) -> None:
    assert read(sentence) == []


def test_two_triples_of_a_sentence_are_both_read() -> None:
    sentence = "The capital of France is Paris, and the capital of Germany is Berlin."
    assert read(sentence) == ["France capital Paris", "Germany capital Berlin"]
    assert read("中国的首都是北京，法国的首都是巴黎。") == ["中国 capital 北京", "法国 capital 巴黎"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the capital of {subject}", "expected {subject} and {object}, each once"),
        ("{subject} and {subject} and {object}", "expected {subject} and {object}, each once"),
        ("{subject}: {object}", "expected words besides {subject} and {object}"),
        ("[a][b][c][d][e][f][g] {subject} is {object}", "expected at most 64 combinations"),
    ],
)
def test_a_bad_pattern_is_refused(text: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        compile_pattern("r", text)
    assert message in str(caught.value)


def test_patterns_are_read_from_a_file_by_the_names_of_relations(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_text(
        "# cities\nP36: {object} is the capital of {subject}\nCapital: {subject}的首都：{object}\n\n"
        "首都：{subject}的首都是{object}\nnope: {subject} is {object}\nno pattern\nP36: {object}\n",
        encoding="utf-8",
    )
    ledger = Ledger()
    patterns = read_patterns(str(path), {"P36": "P36", "capital": "P36", "首都": "P36"}, ledger)
    assert [(p.relation, p.between, p.is_subject_first) for p in patterns] == [
        *(("P36", " is the capital of ", False), ("P36", "的首都:", True), ("P36", "的首都是", True)),
    ]
    with pytest.raises(UserError) as caught:
        ledger.close()
    for line in (
        "p.txt:6: relation: expected the id or a name of a relation in --knowledge, got",
        "p.txt:7: pattern: expected",
    ):
        assert line in str(caught.value)


ENGLISH = [("France", "Paris"), ("Germany", "Berlin"), ("Congo", "Guinea")]


def proposed(pairs: list[tuple[str, Triple]], least: int = 2, share: float = 0.8) -> list[str]:
    return [entry.line() for entry in propose_patterns(pairs, LINKER, least, share)]


def test_patterns_are_proposed_from_sentences_with_triples() -> None:
    pairs = [(f"As we know, the capital of {s} is {o}.", Triple(s, "capital", o)) for s, o in ENGLISH]
    pairs += [("法国的首都是巴黎，", Triple("France", "capital", "Paris"))]
    pairs += [("而中国的首都是北京。", Triple("中国", "capital", "北京"))]
    pairs += [("Paris is in France.", Triple("Paris", "in", "France"))]  # one sentence is not enough
    pairs += [("Is the capital of France in Paris?", Triple("France", "capital", "Paris"))] * 2  # a question
    assert proposed(pairs) == [
        "capital: the capital of {subject} is {object}",
        "capital: {subject}的首都是{object}",
    ]
    again = [p for line in proposed(pairs) for p in compile_pattern("capital", line.partition(": ")[2])]
    assert set(again) == {entry.pattern for entry in propose_patterns(pairs, LINKER)}


def test_a_pattern_that_names_several_relations_is_not_proposed() -> None:
    pairs = [(f"{s} has {o}.", Triple(s, "capital", o)) for s, o in ENGLISH]
    pairs += [(f"{o} has {s}.", Triple(o, "country", s)) for s, o in ENGLISH[:2]]
    assert proposed(pairs) == []
    assert proposed(pairs, share=0.6) == ["capital: {subject} has {object}"]
    assert proposed(pairs[:1] * 5) == []  # five times the same sentence is one sentence


@given(text=st.text(), name=st.sampled_from(["{subject}", "{object}", "", "[", "]"]))
def test_any_pattern_compiles_or_is_refused(text: str, name: str) -> None:
    try:
        patterns = compile_pattern("r", f"{{subject}}{text}{name}{{object}}{text}")
    except FieldError:
        return
    assert all(isinstance(pattern, Pattern) for pattern in patterns)


@given(sentence=st.lists(st.sampled_from([*NAMES, " ", "，", "的首都是", " is ", "the capital of "])).map("".join))
def test_any_sentence_can_be_read(sentence: str) -> None:
    for triple in MATCHER.read(sentence, LINKER.find(sentence)):
        assert triple.subject.end <= triple.object.start or triple.object.end <= triple.subject.start
