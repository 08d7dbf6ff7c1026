import pytest

from sft_cli.metrics.tokenizers import TOKENIZERS, char, load_tokenizer, loses_text, mixed, rouge155
from sft_cli.run.errors import UserError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The cat's hat, v2.0", ["the", "cat", "s", "hat", "v2", "0"]),
        ("我用GPT-4写代码", ["我", "用", "gpt", "4", "写", "代", "码"]),
        ("１２３，ＡＢＣ", ["123", "abc"]),  # full width: NFKC
        ("𠀀好々〇", ["𠀀", "好", "々", "〇"]),  # extension B, iteration mark, zero
        ("カタカナ と ひらがな", ["カ", "タ", "カ", "ナ", "と", "ひ", "ら", "が", "な"]),
        ("한국어", ["한", "국", "어"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # vowel signs stay in the word
        ("Tiếng Việt".encode().decode(), ["tiếng", "việt"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("……——。！", [".", ".", ".", ".", ".", ".", "—", "—", "。", "!"]),  # nothing but punctuation
        ("👍", ["👍"]),
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
        assert all(isinstance(token, str) and token for token in load_tokenizer(name)("A b, 我 c."))


def test_unknown_tokenizer_names_the_near_one():
    with pytest.raises(UserError, match="Did you mean 'mixed'"):
        load_tokenizer("mixd")


def test_rouge155_is_known_to_lose_chinese():
    assert loses_text("rouge155", "我用GPT-4写代码")
    assert not loses_text("mixed", "我用GPT-4写代码")
    assert not loses_text("rouge155", "naïve café society")
