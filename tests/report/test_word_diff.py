"""The diff of two texts loses nothing, and is read without colour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.report.word_diff import ADDED, GONE, MOST_DIFF_TOKENS, common_share, marked_diff, pieces, word_diff

TEXT = st.text("ab  \n国語。,日", max_size=30)


@given(TEXT, TEXT)
def test_both_texts_can_be_read_from_the_diff(base: str, other: str) -> None:
    parts = word_diff(base, other)
    assert "".join(text for kind, text in parts if kind != ADDED) == base
    assert "".join(text for kind, text in parts if kind != GONE) == other
    assert all(text for _, text in parts)


@given(st.text(max_size=40))
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@pytest.mark.parametrize(
    ("base", "other", "shown"),
    [
        ("The capital is Paris.", "The capital is Rome.", "The capital is [-Paris-]{+Rome+}."),
        ("a b c", "x y z", "[-a b c-]{+x y z+}"),
        ("土耳其使用里拉", "土耳其用欧元", "土耳其[-使-]用[-里拉-]{+欧元+}"),
        ("한국의 수도", "일본의 수도", "[-한국-]{+일본+}의 수도"),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
    ],
)
def test_words_and_cjk_characters_are_marked(base: str, other: str, shown: str) -> None:
    assert marked_diff(word_diff(base, other)) == shown


@pytest.mark.parametrize(
    ("base", "other", "share"),
    [
        ("a b c d", "a x y z e", 0.2),
        ("same", "same", 1.0),
        ("a, b", "c, d", 0.0),
        ("", "", 0.0),
        ("北京是", "上海是", 1 / 3),
    ],
)
def test_the_share_of_common_words(base: str, other: str, share: float) -> None:
    assert common_share(word_diff(base, other)) == pytest.approx(share)


def test_a_long_text_is_not_compared_word_by_word() -> None:
    long = MOST_DIFF_TOKENS * 2
    base, other = "same " + "a " * long + "end", "same " + "b " * long + "end"
    assert [kind for kind, _ in word_diff(base, other)] == ["=", "-", "+", "="]
