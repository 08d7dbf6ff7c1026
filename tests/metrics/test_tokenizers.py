from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.metrics import tokenizers
from sft_cli.metrics.tokenizers import (
    LOSSLESS,
    TOKENIZERS,
    TokenizerName,
    char,
    jieba,
    load_splitter,
    loses_text,
    mixed,
    rouge155,
)
from sft_cli.run.errors import UserError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The cat's hat, v2.0", ["the", "cat", "s", "hat", "v2", "0"]),
        ("我用GPT-4写代码", ["我", "用", "gpt", "4", "写", "代", "码"]),
        ("１２３，ＡＢＣ", ["123", "abc"]),  # full width
        ("𠀀好々〇", ["𠀀", "好", "々", "〇"]),  # extension B, iteration mark, zero
        ("カタカナ と ひらがな", ["カ", "タ", "カ", "ナ", "と", "ひ", "ら", "が", "な"]),
        ("한국어", ["한", "국", "어"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # vowel signs stay in the word
        ("Tiếng Việt".encode().decode(), ["tiếng", "việt"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("……——。！", ["…", "…", "—", "—", "。", "!"]),  # nothing but punctuation
        ("مرحبا، بالعالم ١٢", ["مرحبا", "بالعالم", "١٢"]),  # Arabic, with its comma and digits
        ("مُحَمَّد", ["مُحَمَّد"]),  # vowel marks stay in the word
        ("ภาษาไทย ง่าย", ["ภาษาไทย", "ง่าย"]),  # Thai puts no spaces between words
        ("👍", ["👍"]),
        ("ok 👍🏽!", ["ok"]),
        (" \n\t", []),
        ("", []),
    ],
)
def test_mixed_tokens(text, tokens):
    assert mixed(text) == tokens


def test_combining_marks_join_their_letter_in_either_form():
    assert mixed("e\u0301te\u0301") == mixed("été") == ["été"]


def test_char_and_rouge155():
    assert char("Ab 好。") == ["a", "b", "好", "。"]
    assert rouge155("我用GPT-4写代码") == ["gpt", "4"]


def test_every_tokenizer_gives_strings():
    for name in TOKENIZERS:
        assert all(isinstance(token, str) and token for token in load_splitter(name)("A b, 我 c."))


def test_unknown_tokenizer_names_the_near_one():
    with pytest.raises(UserError, match="Did you mean 'mixed'"):
        load_splitter("mixd")


def test_raw_tokenizers_tell_full_width_forms_apart():
    for name in ("mixed", "char"):
        assert load_splitter(name)("ＡＢＣ１２") == load_splitter(name)("abc12")
        assert load_splitter(f"{name}-raw")("ＡＢＣ１２") != load_splitter(name)("abc12")
        assert load_splitter(f"{name}-raw")("Abc12 好") == load_splitter(name)("abc12 好")


def test_jieba_cuts_chinese_alone_into_words():
    assert jieba("我用GPT-4写代码，天安门在北京。naïve 1,234") == [
        "我用", "gpt", "4", "写", "代码", "天安门", "在", "北京", "naïve", "1", "234",
    ]  # fmt: skip


def test_jieba_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tokenizers._jieba.cache_clear()
    with pytest.raises(
        UserError, match=r"--tokenizer jieba: needs the package jieba\nhint: pip install 'jieba>=0.42.1'"
    ):
        jieba("好")


def test_names_of_tokenizers_are_those_of_the_table():
    assert get_args(TokenizerName) == tuple(TOKENIZERS)


@given(st.text())
def test_only_rouge155_loses_letters_or_digits(text):
    letters = sum(character.isalnum() for character in text)
    for name in LOSSLESS:
        assert sum(character.isalnum() for token in load_splitter(name)(text) for character in token) >= letters
    assert set(TOKENIZERS) - set(LOSSLESS) == {"rouge155"}


def test_rouge155_is_known_to_lose_what_is_not_ascii():
    assert loses_text("rouge155", "我用GPT-4写代码")
    assert loses_text("rouge155", "Привет")
    assert loses_text("rouge155", "naïve café")
    assert not loses_text("mixed", "我用GPT-4写代码")
    assert not loses_text("rouge155", "a long English sentence with one é in it")


@given(st.text(alphabet=st.one_of(st.sampled_from("aé好かガ゚ํา한้่ंि1１_ .,’\u0301\u3099\U00020000"), st.characters())))
def test_the_fast_way_to_split_words_is_the_slow_one(text):
    assert tokenizers._split_words(text) == tokenizers._split_words_with_marks(text)
