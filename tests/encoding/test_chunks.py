"""Many rows at once give what each row gives alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import CHATML, make_tokenizer, sentencepiece_like
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers, processors

from sft_cli.encoding import chunks
from sft_cli.encoding.chunks import KNOWN_SPLITS, ChunkTokenizer
from sft_cli.encoding.encoder import Encoder, Example
from sft_cli.run.errors import FieldError


def with_parts(before: Any = None, normalizer: Any = None, post_processor: Any = None, split: str = "") -> Any:
    """The tokenizer of the tests with other parts around its model."""
    tokenizer = make_tokenizer()
    core = tokenizer.backend_tokenizer
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    steps = [before, pre_tokenizers.Split(Regex(split), "isolated") if split else None, level]
    core.pre_tokenizer = pre_tokenizers.Sequence([step for step in steps if step is not None])
    if normalizer is not None:
        core.normalizer = normalizer
    if post_processor is not None:
        core.post_processor = post_processor
    return tokenizer


def thinking() -> Any:
    """With a token that is added but not special, which messages may use."""
    tokenizer = make_tokenizer(CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n'"))
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    return tokenizer


ENCODERS = {
    "byte level": Encoder(make_tokenizer()),
    "digits one by one, as SmolLM2": Encoder(with_parts(pre_tokenizers.Digits(individual_digits=True))),
    "digits together": Encoder(with_parts(pre_tokenizers.Digits())),
    "the pattern of Llama 3": Encoder(with_parts(split=KNOWN_SPLITS[0])),
    "the pattern of Qwen 2, with NFC": Encoder(with_parts(split=KNOWN_SPLITS[1], normalizer=normalizers.NFC())),
    "offsets without white space": Encoder(with_parts(post_processor=processors.ByteLevel(trim_offsets=True))),
    "added tokens": Encoder(thinking()),
    "no new line after the role": Encoder(make_tokenizer(CHATML.replace("\n", ": "))),
    "sentencepiece": Encoder(sentencepiece_like()),
    "no stop token": Encoder(make_tokenizer(CHATML.replace("'<|im_end|>'", "''"))),
}

pieces = st.sampled_from(
    [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u2028", "\x1c", "\u0085", "a", "The fox", "dog.",
     "'s", "'ll", "1", "23", "½", "日本", "é", "e\u0301", "\u0301", "🙂", "_", "<|im_end|>", "<|im_start|>", "<|im_",
     "end|>", "<think>", "</think>", "<s>", "</s>", "assistant\n", "\U000f0000", "word " * 20, "x" * 100]
)  # fmt: skip
texts = st.lists(pieces, max_size=8).map("".join) | st.text(max_size=12)
weights = st.sampled_from([None, None, 0, 0.5, 3])


@st.composite
def rows(draw: Any) -> dict[str, Any]:
    whole = draw(weights)
    keys = {} if whole is None else {"weight": whole}
    if draw(st.integers(0, 5)) == 0:
        return {"id": "t", "text": draw(texts.filter(bool)), **keys}
    row = chat(*draw(st.lists(texts, min_size=2, max_size=6)), **keys)
    if draw(st.booleans()):
        row["messages"].insert(0, {"role": "system", "content": draw(texts)})
    for message in row["messages"]:
        if message["role"] == "assistant" and (weight := draw(weights)) is not None:
            message["weight"] = weight
    if draw(st.integers(0, 7)) == 0:
        row["tools"] = [{"type": "function", "function": {"name": draw(texts), "parameters": {}}}]
    if draw(st.integers(0, 7)) == 0:
        row["messages"][-1]["tool_calls"] = [{"function": {"name": "f", "arguments": {"x": draw(texts)}}}]
        row["messages"][-1]["content"] = None
    return row


def alone(encoder: Encoder, row: dict[str, Any], targets: str) -> Example | FieldError:
    try:
        return encoder.example(row, targets)
    except FieldError as error:
        return error


def shown(example: Example | FieldError) -> Any:
    if isinstance(example, FieldError):
        return str(example)
    assert (example.ids.dtype, example.weights.dtype) == (np.int32, np.float32)
    return (example.ids.tolist(), example.weights.tolist(), example.has_stop, example.seam_merges, example.is_text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=80, deadline=None)
@given(st.lists(rows(), max_size=5), st.sampled_from(["all", "last"]))
def test_many_rows_at_once_give_what_each_gives_alone(name: str, batch: list[dict[str, Any]], targets: str) -> None:
    encoder = ENCODERS[name]
    together = encoder.examples(batch, targets)
    assert [shown(each) for each in together] == [shown(alone(encoder, row, targets)) for row in batch]


def test_the_fast_way_is_taken_where_it_is_allowed_and_only_there() -> None:
    taken = [name for name, encoder in ENCODERS.items() if encoder.chunks is not None]
    assert taken == [name for name in ENCODERS if name != "sentencepiece"]
    assert ChunkTokenizer.of(with_parts(normalizer=normalizers.Lowercase())) is None
    assert ChunkTokenizer.of(with_parts(split=r"\w+\s?|\W")) is None  # a space ends a word: it may not be cut off
    stripped = make_tokenizer()
    stripped.add_tokens([AddedToken("<x>", lstrip=True)])
    assert ChunkTokenizer.of(stripped) is None


def test_plain_rows_need_no_offsets(monkeypatch: Any) -> None:
    encoder = Encoder(make_tokenizer())
    row = chat("What is it?", "The yen.", "And the fox?", "Quick.")
    expected = shown(encoder.example(row))
    monkeypatch.setattr(encoder.plain, "tokenize_all", lambda texts: [] if not texts else pytest.fail("slow"))
    assert [shown(each) for each in encoder.examples([row, row])] == [expected, expected]


def test_the_memory_of_chunks_is_emptied_when_it_is_full(monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "MOST_KEPT", 20)
    encoder = Encoder(make_tokenizer())
    for number in range(30):
        row = chat(f"What is {number} and {number + 1}?", f"{number} it is " + "x" * 200)
        assert shown(encoder.examples([row])[0]) == shown(encoder.example(row))
        assert encoder.chunks is not None
        assert len(encoder.chunks.first) + len(encoder.chunks.spaced) < 40
        assert not any("x" * 200 in chunk for chunk in encoder.chunks.spaced)
    encoder.examples([chat("a", "日" * 200)])
    assert max(map(len, [*encoder.chunks.offsets, *encoder.chunks.first])) <= chunks.LONGEST_KEPT


def test_messages_of_role_and_text_are_rendered_as_transformers_does_it() -> None:
    for row in (chat("a", "b", "c", "d"), chat("", ""), chat("日本 <b>&amp;", "it's {{ x }}")):
        for prompt in (False, True):
            encoder = ENCODERS["byte level"]
            messages = row["messages"][: 1 if prompt else None]
            expected = encoder.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
            assert encoder.renderer.render(messages, None, prompt) == expected


def test_a_conversation_that_begins_with_an_answer_can_be_learned() -> None:
    row = {"id": "r", "messages": [{"role": "assistant", "content": "The yen."}]}
    example = ENCODERS["byte level"].example(row)
    assert ENCODERS["byte level"].tokenizer.decode(example.ids[example.weights > 0]) == "The yen.<|im_end|>"


def test_what_a_template_sets_in_one_row_is_not_there_in_the_next() -> None:
    tokenizer = make_tokenizer("{% if messages|length > 1 %}{% set name = 'x' %}{% endif %}[{{ name }}]")
    encoder = Encoder(tokenizer)
    for messages in (chat("a", "b")["messages"], chat("a")["messages"], chat("a", "b")["messages"]):
        expected = tokenizer.apply_chat_template(messages, tokenize=False)
        assert encoder.renderer.render(messages, None, prompt=False) == expected


def test_the_first_rows_are_checked_against_encoding_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(make_tokenizer())
    assert encoder.chunks is not None
    tokenize = encoder.chunks.tokenize

    def wrong(texts: list[str], asked: list[list[int]]) -> Any:
        found = tokenize(texts, asked)
        found[-1].ids = found[-1].ids[::-1]
        return found

    monkeypatch.setattr(encoder.chunks, "tokenize", wrong)
    with pytest.raises(
        AssertionError,
        match="row 'r' gets different tokens when several rows are encoded at once",
    ):
        encoder.examples([chat("a b", "c d"), chat("e f", "g h")])
