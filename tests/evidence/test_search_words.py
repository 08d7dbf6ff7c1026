"""Words are found in all their forms, in English and in Chinese."""

from __future__ import annotations

from sft_cli.evidence.search_words import search_words


def test_english_words_are_searched_by_their_stems() -> None:
    assert search_words("Running the GLASSES, organised") == ["run", "the", "glass", "organis"]


def test_chinese_is_searched_by_characters_and_their_pairs() -> None:
    assert search_words("北京大学 BERT模型") == [
        "北",
        "北京",
        "京",
        "京大",
        "大",
        "大学",
        "学",
        "bert",
        "模",
        "模型",
        "型",
    ]
    assert search_words("ＢＥＲＴ") == ["bert"]


def test_a_text_without_words_is_no_error() -> None:
    assert search_words("  ") == []
    assert search_words("!?") == ["!", "?"]


def test_an_endless_word_is_compared_by_its_beginning() -> None:
    assert search_words("x" * 1000) == ["x" * 64]
