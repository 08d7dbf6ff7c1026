"""Names are found as a reader sees them: whole words, the longest, in any width and case, in English and Chinese."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.graph.link import EntityLinker, fold_name, fold_text

NAMES = [
    ("Guinea", "gn"),
    ("Equatorial Guinea", "gq"),
    ("Congo", "cd"),
    ("Congo", "cg"),
    ("Côte d’Ivoire", "ci"),
    ("US", "us"),
    ("Straße", "street"),
    ("s", "second"),
    ("中国", "cn"),
    ("中国人民银行", "bank"),
    ("GDP", "gdp"),
    ("3", "three"),
    ("ガーナ", "gh"),
    ("...", "dots"),
]


def found(text: str) -> list[tuple[str, str]]:
    return [(text[m.start : m.end], "+".join(m.ids)) for m in EntityLinker(NAMES).find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Guinea and Equatorial Guinea.", [("Guinea", "gn"), ("Equatorial Guinea", "gq")]),
        ("equatorial  \n GUINEA", [("equatorial  \n GUINEA", "gq")]),
        ("Guinea-Bissau, Guineans, Papua_Guinea", []),
        ("a post–Guinea era", [("Guinea", "gn")]),  # an en dash separates
        ("Congo", [("Congo", "cd+cg")]),
        ("Congo's", [("Congo", "cd+cg")]),
        ("Co\u0302te d’ivoire", [("Co\u0302te d’ivoire", "ci")]),
        ("tell us about the US", [("US", "us")]),
        ("STRASSE, Straße, straßen", [("STRASSE", "street"), ("Straße", "street")]),
        ("s ß S", [("s", "second")]),
        ("中国人民银行在中国", [("中国人民银行", "bank"), ("中国", "cn")]),
        ("中国的GDP是", [("中国", "cn"), ("GDP", "gdp")]),
        ("中国的ＧＤＰ是", [("中国", "cn"), ("ＧＤＰ", "gdp")]),
        ("3 of 3.5, 1,3 and 13. 3.", [("3", "three"), ("3", "three")]),
        ("ｶﾞｰﾅ", [("ｶﾞｰﾅ", "gh")]),
        ("...", []),
        ("", []),
    ],
)
def test_names_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_no_names_find_nothing() -> None:
    assert EntityLinker([]).find("France") == []


@given(
    name=st.text(min_size=1), before=st.sampled_from(["", " ", "，", "the "]), after=st.sampled_from(["", " ", "。"])
)
def test_a_name_alone_is_found(name: str, before: str, after: str) -> None:
    plain = fold_name(name)
    is_marked = unicodedata.category(plain[:1] or " ").startswith("M") or name != name.strip()
    if is_marked or not any(map(str.isalnum, plain)):
        return
    text = before + name + after
    mentions = EntityLinker([(name, "x")]).find(text)
    assert [text[m.start : m.end].strip() for m in mentions] == [name] or name.strip(".,-\u2010\u2011") != name


@given(text=st.text())
def test_offsets_are_of_the_original_text(text: str) -> None:
    folded, offsets = fold_text(text)
    assert len(offsets) == len(folded) + 1
    assert list(offsets) == sorted(offsets)
    assert offsets[-1] == len(text)
    assert fold_name(folded) == fold_name(text)
