from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.citations import citations_in
from sft_cli.evidence.facts.names import name_facts
from sft_cli.evidence.facts.negation import clauses_of, negations_in
from sft_cli.evidence.facts.quotations import quote_facts
from sft_cli.evidence.facts.reading import facts_in


@pytest.mark.parametrize(
    ("text", "sure", "unsure"),
    [
        ("The tower was built by Gustave Eiffel.", ["Gustave Eiffel"], []),
        ("Paris is big.", [], ["Paris"]),
        (
            "Marie Curie met J. K. Rowling, IBM's Ann O'Brien.",
            ["Marie Curie", "J. K. Rowling", "IBM", "Ann O'Brien"],
            [],
        ),
        ("At the University of Oxford in May.", ["University of Oxford"], []),
        ("However, I like GPT-4 and an iPhone.", ["GPT-4", "iPhone"], []),
        ("论文《红楼梦》的作者是威廉·琼斯。", ["红楼梦", "威廉·琼斯"], []),
        ("他畢業於清華大學，位於廣東省深圳市。", ["清華大學", "廣東省", "深圳市"], []),
        ("作者有何恺明、张祥雨，任少卿教授。", ["张祥雨", "任少卿"], []),
        ("使用PyTorch训练", ["PyTorch"], []),
        ("城市很大，他登山。", [], []),
    ],
)
def test_names(text: str, sure: list[str], unsure: list[str]) -> None:
    facts = name_facts(text)
    assert [text[fact.start : fact.end] for fact in facts if fact.is_sure] == sure
    assert [text[fact.start : fact.end] for fact in facts if not fact.is_sure] == unsure


def test_quotes() -> None:
    text = "He said “we do  not know,” and 「你好。」"
    assert [fact.value for fact in quote_facts(text)] == ["we do not know", "你好"]
    assert [text[fact.start : fact.end] for fact in quote_facts(text)] == ["we do  not know,", "你好。"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as said [3, 5-7]", ["number:3", "number:5", "number:6", "number:7"]),
        ("见【2】", ["number:2"]),
        ("doi:10.1000/XYZ.5.", ["doi:10.1000/xyz.5"]),
        ("https://doi.org/10.1000/xyz", ["doi:10.1000/xyz"]),
        ("arXiv:2311.09000v2", ["arxiv:2311.09000"]),
        ("Smith (2019) and Lee and Kim (2020)", ["author:smith 2019", "author:lee 2020"]),
        ("(Smith et al., 2019; Lee & Kim, 2020)", ["author:smith 2019", "author:lee 2020"]),
        ("张三等（2019）", ["author:张三 2019"]),
        ("[source: doc-3] （来源：新闻5）", ["source:doc-3", "source:新闻5"]),
        ("It opened in May (1999) (in 2001).", []),
        ("as said [3, p. 5] [4, pp. 12-14]", ["number:3", "number:4"]),
        ("It costs 5 euros [1000]. It was in [1871].", ["number:1000"]),
        ("so [a.md#2] (b.md#1, b.md#2) [notes.txt]", ["source:a.md#2", "source:b.md#1, b.md#2", "source:notes.txt"]),
        ("[Passage 2] [Source: 2]", ["source:2", "source:2"]),
    ],
)
def test_citations(text: str, expected: list[str]) -> None:
    assert [fact.value for fact in citations_in(text)] == expected


@pytest.mark.parametrize(
    ("text", "cues", "scopes"),
    [
        ("He left, but she did not go.", ["not"], ["she did not go"]),
        ("They don't, never.", ["don't", "never"], ["They don't", "never"]),
        ("She was unable to go", ["unable"], ["She was unable to go"]),
        ("It is not only big; no. 5 has no more than 3", [], []),
        ("他走了，但她没有走。", ["没有"], ["她没有走"]),
        ("公司並非上市公司", ["並非"], ["公司並非上市公司"]),
        ("不仅如此，非常好，不少人，是否，未来，无论", [], []),
    ],
)
def test_negation_and_its_clause(text: str, cues: list[str], scopes: list[str]) -> None:
    facts = negations_in(text)
    assert [text[fact.start : fact.end] for fact in facts] == cues
    assert [fact.value for fact in facts] == scopes


def test_a_number_of_a_date_or_a_citation_is_read_once() -> None:
    text = "Smith (2019) found 3 dogs on May 5, 2020 at 5 p.m. [4]"
    kinds = [(fact.kind, text[fact.start : fact.end]) for fact in facts_in(text)]
    assert kinds == [
        ("name", "Smith"),
        ("citation", "Smith (2019)"),
        ("number", "3"),
        ("date", "May 5, 2020"),
        ("time", "5 p.m."),
        ("citation", "[4]"),
    ]


@given(st.text(alphabet=st.sampled_from("aA .,1年月不「」《》()[]Éé第三百\n"), max_size=40))
def test_any_text_is_read_and_facts_are_inside_it(text: str) -> None:
    assert all(0 <= fact.start < fact.end <= len(text) for fact in facts_in(text))
    assert all(0 <= start < end <= len(text) for start, end in clauses_of(text))
