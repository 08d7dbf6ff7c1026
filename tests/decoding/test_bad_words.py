"""Texts that no completion may hold, against the text that really comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import make_tokenizer, sentencepiece_like

from sft_cli.decoding.bad_words import BadWords, token_bytes
from sft_cli.encoding.encoder import Encoder
from sft_cli.run.errors import UserError

ENCODERS = {"byte-level": Encoder(make_tokenizer()), "sentencepiece": Encoder(sentencepiece_like())}


def text_of(encoder: Encoder, ids: list[int]) -> str:
    return str(encoder.tokenizer.decode(ids, skip_special_tokens=True))


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.data())
def test_a_token_is_forbidden_exactly_if_it_completes_a_word(name: str, data: Any) -> None:
    encoder = ENCODERS[name]
    size = len(encoder.tokenizer)
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=6))
    continued = text_of(encoder, [*ids, *data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=3))])
    # Words that come up: the ends of what could be written next.
    words = [continued[-length:] for length in (1, 2, 4, 9) if continued[-length:].strip() and "�" not in continued]
    words = [word for word in words if word not in text_of(encoder, ids)]
    found = BadWords(encoder, words).next(ids)
    for token in range(size):
        text = text_of(encoder, [*ids, token])
        assert (token in found) >= any(word in text for word in words), (words, text)
        if "�" not in text and name == "byte-level":
            assert (token in found) == any(word in text for word in words), (words, text)


def test_a_character_of_several_tokens_is_found() -> None:
    encoder = ENCODERS["byte-level"]
    ids = encoder.tokenizer("é", add_special_tokens=False).input_ids
    assert len(ids) == 2
    assert ids[1] in BadWords(encoder, ["é"]).next(ids[:1])
    assert ids[1] not in BadWords(encoder, ["é"]).next([])


def test_a_word_may_begin_in_the_forced_prefix() -> None:
    encoder = ENCODERS["byte-level"]
    (letter,) = encoder.tokenizer("n", add_special_tokens=False).input_ids
    assert letter in BadWords(encoder, ["an"], "a").next([])
    assert letter not in BadWords(encoder, ["an"], "b").next([])


def test_a_special_token_is_forbidden_as_a_token_and_as_letters() -> None:
    encoder = ENCODERS["byte-level"]
    bad = BadWords(encoder, ["<|im_end|>"])
    letters = [encoder.tokenizer(letter, add_special_tokens=False).input_ids[0] for letter in "<|im_end|>"]
    assert encoder.stop_ids[0] in bad.next([])
    assert letters[-1] in bad.next(letters[:-1])


@pytest.mark.parametrize(
    ("word", "prefix", "problem"), [("", "", "an empty one"), ("an", "Japan", "'an' is in --forced")]
)
def test_words_that_cannot_be_forbidden_are_refused(word: str, prefix: str, problem: str) -> None:
    with pytest.raises(UserError, match=f"--bad-words: .*{problem}"):
        BadWords(ENCODERS["byte-level"], [word], prefix)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_bytes_of_tokens_make_the_text(name: str) -> None:
    encoder = ENCODERS[name]
    texts = token_bytes(encoder.tokenizer)
    for sentence in ("a b<a>: ab/s", "a", "日本 yen é 🙂"):
        ids = encoder.tokenizer(sentence, add_special_tokens=False).input_ids
        written = b"".join(texts[token] for token in ids).decode("utf-8", "replace")
        assert written.strip() == text_of(encoder, ids).strip()
