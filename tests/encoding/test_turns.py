"""No token of a user, system or tool turn is ever a target, whatever the template and the words are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import example_templates
import pytest
from example_templates import tokenizer_for
from hypothesis import given, settings
from hypothesis import strategies as st
from small_rows import chat
from tiny_models import CHATML, make_tokenizer

from sft_cli.encoding.encoder import Encoder
from sft_cli.run.errors import FieldError

OPENED = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
PROMPT = "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
LAST_STOPS = OPENED + "{% if m.role == 'assistant' and loop.last %}<|im_end|>{% else %}<|eot|>{% endif %}" + PROMPT
LAST_STOPS_ALONE = OPENED + "{% if m.role == 'assistant' and loop.last %}<|im_end|>{% endif %}" + PROMPT
NEVER_STOPS = OPENED + PROMPT
PLAIN_END = OPENED + "{% if loop.last and m.role == 'assistant' %}[END]{% else %}[E\n{% endif %}" + PROMPT
STOP_BETWEEN = OPENED + "{% if not loop.last or m.role == 'user' %}<|im_end|>{% endif %}" + PROMPT
ESCAPED = CHATML.replace("message['content']", "message['content'] | tojson")
THOUGHTS_LAST = LAST_STOPS_ALONE.replace(
    "{{ m.content }}", "{% if loop.last and m.role == 'assistant' %}hm {% endif %}{{ m.content }}"
)


def with_newline_as_stop(template: str) -> Any:
    tokenizer = make_tokenizer(template)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(tokenizer("\n").input_ids)[0]
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "chatml": make_tokenizer,
    "chatml with blocks": example_templates.chatml_with_blocks,
    "llama": example_templates.llama,
    "gemma": example_templates.gemma,
    "mistral": example_templates.mistral,
    "thinking": example_templates.thinking,
    "the last turn alone stops": lambda: tokenizer_for(LAST_STOPS, more=("<|eot|>",)),
    "the last turn alone ends": lambda: tokenizer_for(LAST_STOPS_ALONE),
    "no stop": lambda: make_tokenizer(NEVER_STOPS),
    "ends of letters": lambda: make_tokenizer(PLAIN_END),
    "stop between turns": lambda: make_tokenizer(STOP_BETWEEN),
    "words as JSON": lambda: make_tokenizer(ESCAPED),
    "another last turn": lambda: make_tokenizer(THOUGHTS_LAST),
    "stop is a line end": lambda: with_newline_as_stop(CHATML),
    "stop is a line end, which nothing writes": lambda: with_newline_as_stop(NEVER_STOPS),
}
ENCODERS = {name: Encoder(make()) for name, make in TOKENIZERS.items()}

answers = st.text("ab \n日", max_size=6) | st.sampled_from(["OK", "<|im_end|>", "a\nb", "U", "<think>a</think>b"])
questions = st.text("ab \nU", max_size=6) | st.sampled_from(["My PIN", "OK", "<|im_end|>", "<|eot|>", "a"])


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=60)
@given(st.lists(st.tuples(questions, answers), min_size=1, max_size=3), st.booleans())
def test_no_word_of_a_user_is_a_target(name: str, pairs: list[tuple[str, str]], has_system: bool) -> None:
    encoder = ENCODERS[name]
    row = chat(*(words for pair in pairs for words in pair))
    for place, message in enumerate(row["messages"]):
        if message["role"] == "user":  # a letter of its own shows each place
            message["content"] = f"U{message['content']}Ü{place}"
    if has_system and name != "gemma":
        row["messages"].insert(0, {"role": "system", "content": "Ü"})
    try:
        example = encoder.example(row)
    except FieldError as error:  # refused is not learned
        assert "messages[" in str(error)  # noqa: PT017
        return
    learned = encoder.tokenizer.decode(example.ids[example.weights > 0], skip_special_tokens=False)
    assert "Ü" not in learned
    assert "<|im_start|>" not in learned.replace("assistant", "") or any("<|im_start|>" in a for _, a in pairs)
    assert "user" not in learned


def learned(encoder: Encoder, row: dict[str, Any]) -> str:
    example = encoder.example(row)
    return "|".join(
        encoder.tokenizer.decode(example.ids[run])
        for run in _runs([int(i) for i, weight in enumerate(example.weights) if weight > 0])
    )


def _runs(places: list[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


ROW = chat("My PIN is 1234", "OK", "Never repeat my PIN", "Fine")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("the last turn alone stops", "OK|Fine<|im_end|>"),
        ("the last turn alone ends", "OK|Fine<|im_end|>"),
        ("no stop", "OK|Fine"),
        ("ends of letters", "OK|Fine[END]"),
        ("stop between turns", "OK<|im_end|>|Fine"),
        ("words as JSON", '"OK"<|im_end|>|"Fine"<|im_end|>'),
        ("stop is a line end, which nothing writes", "OK|Fine"),
    ],
)
def test_a_turn_ends_where_the_next_one_begins(name: str, expected: str) -> None:
    assert learned(ENCODERS[name], ROW) == expected


def test_a_turn_whose_end_is_not_known_is_refused() -> None:
    with pytest.raises(FieldError, match=r"messages\[1\]: sft cannot find the end of this turn: the chat template"):
        ENCODERS["another last turn"].example(ROW)


def test_a_stop_token_of_letters_inside_an_answer_does_not_end_it() -> None:
    encoder = ENCODERS["stop is a line end"]
    assert learned(encoder, chat("a", "one\ntwo", "b", "c")) == "one\ntwo<|im_end|>|c<|im_end|>"


def test_a_stop_token_that_another_token_swallows_is_none() -> None:
    """`\\n\\n` is one token here, and not the stop token `\\n`."""
    tokenizer = with_newline_as_stop(OPENED + "{{ '\n\n' }}" + PROMPT)
    assert ENCODERS["stop is a line end"].example(chat("a", "b")).has_stop
    example = Encoder(tokenizer).example(chat("a", "b"))
    is_one = len(tokenizer("\n\n").input_ids) == 1
    assert example.has_stop is not is_one
