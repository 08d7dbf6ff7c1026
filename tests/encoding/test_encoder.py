"""What is learned, and what only stands before it."""

from __future__ import annotations

from typing import Any

import example_templates
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import CHATML, make_tokenizer, sentencepiece_like

from sft_cli.encoding.encoder import Encoder, count_tokens
from sft_cli.run.errors import FieldError, UserError

TOKENIZER = make_tokenizer()
ENCODER = Encoder(TOKENIZER)


def target_text(row: dict[str, Any], encoder: Encoder = ENCODER, targets: str = "all") -> str:
    example = encoder.example(row, targets)
    return str(encoder.tokenizer.decode(example.ids[example.weights > 0]))


def test_targets_are_the_assistant_turns_and_their_stop_tokens() -> None:
    row = chat("What is it?", "The yen.", "And the fox?", "Quick.")
    assert target_text(row) == "The yen.<|im_end|>Quick.<|im_end|>"
    assert target_text(row, targets="last") == "Quick.<|im_end|>"


def test_a_turn_of_weight_0_is_not_learned_and_graded_weights_multiply() -> None:
    row = chat("a", "The yen.", "b", "Quick.", weight=0.5)
    row["messages"][1]["weight"] = 0
    row["messages"][3]["weight"] = 3.0
    example = ENCODER.example(row)
    assert target_text(row) == "Quick.<|im_end|>"
    assert set(example.weights.tolist()) == {0.0, 1.5}


def test_every_token_of_raw_text_is_a_target_but_the_first() -> None:
    example = ENCODER.example({"id": "t", "text": "The quick brown fox"})
    assert example.weights.tolist() == [0.0] + [1.0] * (len(example.ids) - 1)
    assert example.ids[-1] == TOKENIZER.eos_token_id


def test_the_training_text_begins_with_the_prompt_that_generate_builds() -> None:
    row = chat("日本的货币是什么？", "日元。", "And <|im_end|> now?", "The yen.")
    prompt, prompt_ids = ENCODER.prompt({**row, "messages": row["messages"][:-1]})
    text = ENCODER.training_text(row)
    assert text == prompt + "The yen.<|im_end|>\n"
    assert ENCODER.example(row).ids[: len(prompt_ids)].tolist() == prompt_ids


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
forged = st.lists(
    st.sampled_from(["<|im_end|>", "<|im_start|>", "assistant\n", "<|im_", "end|>", "x", "日"]), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(st.lists(words | forged.map("".join), min_size=2, max_size=4).filter(lambda turns: len(turns) % 2 == 0))
def test_any_row_its_training_text_is_its_prompt_and_its_answer(turns: list[str]) -> None:
    row = chat(*turns)
    prompt, prompt_ids = ENCODER.prompt({**row, "messages": row["messages"][:-1]})
    example = ENCODER.example(row, "last")
    assert ENCODER.training_text(row) == f"{prompt}{turns[-1]}<|im_end|>\n"
    # The template writes one special token at each end of a turn; no text may add or take one.
    for special in ("<|im_start|>", "<|im_end|>"):
        token = TOKENIZER.convert_tokens_to_ids(special)
        assert example.ids.tolist().count(token) == len(turns)
    assert TOKENIZER.decode(example.ids) == ENCODER.training_text(row)
    if not example.seam_merges:
        assert example.ids[: len(prompt_ids)].tolist() == prompt_ids
        assert TOKENIZER.decode(example.ids[example.weights > 0]) == f"{turns[-1]}<|im_end|>"


def test_a_special_token_in_a_message_stays_text() -> None:
    row = chat("Say <|im_end|> twice", "<|im_end|> and <|endoftext|>")
    example = ENCODER.example(row)
    stop = TOKENIZER.eos_token_id
    assert example.ids.tolist().count(stop) == 2  # the template's own, at the end of each turn
    assert target_text(row) == "<|im_end|> and <|endoftext|><|im_end|>"
    assert ENCODER.example({"id": "t", "text": "a <|im_end|>"}).ids.tolist().count(stop) == 1


def test_plain_rows_are_tokenised_as_the_tokenizer_does_it() -> None:
    row = chat("What is it?", "The yen. 日元")
    rendered = TOKENIZER.apply_chat_template(row["messages"], tokenize=False)
    assert ENCODER.example(row).ids.tolist() == TOKENIZER(rendered, add_special_tokens=False).input_ids


def test_a_sentencepiece_like_tokenizer_keeps_specials_in_text_too() -> None:
    tokenizer = sentencepiece_like()
    encoder = Encoder(tokenizer)
    assert encoder.example(chat("b", "a</s>b")).ids.tolist().count(2) == 2
    plain = chat("b", "ab")
    rendered = tokenizer.apply_chat_template(plain["messages"], tokenize=False)
    disguised, _ = encoder.plain.tokenize(rendered, chr(0xF0000))
    assert disguised == tokenizer(rendered, add_special_tokens=False).input_ids


def test_a_token_that_straddles_prompt_and_answer_is_no_target_though_its_offsets_hide_it() -> None:
    from tokenizers import processors

    tokenizer = make_tokenizer(
        CHATML.replace("message['role'] + '\n'", "message['role'] + ': '").replace("assistant\n", "assistant: ")
    )
    row = chat("What is it?", "The yen.")
    plain = Encoder(tokenizer).example(row)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trimmed = Encoder(tokenizer).example(row)
    assert plain.seam_merges == 1
    assert trimmed.weights.tolist() == plain.weights.tolist()
    assert trimmed.seam_merges == 1
    assert tokenizer.decode(trimmed.ids[trimmed.weights > 0]) == " yen.<|im_end|>"


def test_no_chat_template_is_an_error_with_a_cure() -> None:
    with pytest.raises(UserError, match=r"no chat template\nhint: --chat-template"):
        Encoder(make_tokenizer(None)).example(chat("a", "b"))


def test_a_template_that_renders_the_prompt_otherwise_is_an_error() -> None:
    drifting = make_tokenizer(CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>'"))
    with pytest.raises(FieldError, match=r"messages\[1\]: the chat template writes the prompt differently"):
        Encoder(drifting).example(chat("a", "b"))


def test_a_row_that_the_template_refuses_names_the_reason() -> None:
    strict = make_tokenizer("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(FieldError, match="messages: the chat template refuses this row: roles must alternate"):
        Encoder(strict).example(chat("a", "b"))


def test_tool_calls_that_the_template_leaves_out_are_an_error() -> None:
    row = chat("What is the time?", "")
    row["messages"][1]["tool_calls"] = [{"type": "function", "function": {"name": "clock", "arguments": {}}}]
    with pytest.raises(FieldError, match=r"messages\[1\].tool_calls: the chat template does not write them"):
        ENCODER.example(row)


def test_a_template_without_a_stop_token_is_noticed() -> None:
    stopless = make_tokenizer(CHATML.replace("'<|im_end|>'", "''"))
    example = Encoder(stopless).example(chat("a", "b c"))
    assert not example.has_stop
    assert target_text(chat("a", "b c"), Encoder(stopless)) == "b c\n"


def test_count_tokens_counts_the_whole_row() -> None:
    assert count_tokens(TOKENIZER, chat("a", "b")) == len(ENCODER.example(chat("a", "b")).ids)


def test_a_text_that_begins_with_the_begin_token_gets_no_second_one() -> None:
    encoder = Encoder(example_templates.llama(), special_tokens_in_text=True)
    begin = encoder.tokenizer.bos_token_id
    for text in ("<|begin_of_text|>The dog.", "The dog."):
        assert encoder.example({"id": "t", "text": text}).ids.tolist().count(begin) == 1
        assert encoder.prompt({"text": text})[1].count(begin) == 1
