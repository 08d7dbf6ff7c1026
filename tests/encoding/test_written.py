"""Nothing of a row is lost because a chat template does not write it."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import example_templates
import pytest
from small_rows import chat
from tiny_models import CHATML, make_tokenizer, sentencepiece_like

from sft_cli.curation.thoughts import without_reasoning
from sft_cli.curation.turn_rows import rows_of_turns
from sft_cli.encoding.chat_templates import CHAT_TEMPLATES, replace_template
from sft_cli.encoding.chat_templates import CHATML as CHATML_FILE
from sft_cli.encoding.encoder import Encoder
from sft_cli.encoding.template_check import TemplateCheck
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.flags import fields_of
from sft_cli.training.settings import TrainSettings

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
QWEN3_LIKE = """\
{%- set last = namespace(user=0) -%}
{%- for m in messages -%}{%- if m.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- for m in messages -%}
{{- '<|im_start|>' + m.role + '\n' -}}
{%- if m.reasoning_content and loop.index0 > last.user -%}
{{- '<think>' + m.reasoning_content + '</think>' -}}
{%- endif -%}
{{- m.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
FIRST_CALL = CHATML.replace(
    "message['content'] +", "((message.tool_calls[0].function | tojson) if message.tool_calls else message.content) +"
)


def call(arguments: Any = None, name: str = "weather", **keys: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": {"city": "Paris"} if arguments is None else arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}], **keys}


def calling(**keys: Any) -> dict[str, Any]:
    row = chat("Weather?", "", **keys)
    row["messages"][1] = call()
    return row


def thinking(key: str = "reasoning_content") -> dict[str, Any]:
    row = chat("2+2?", "4", "3+3?", "6")
    for place in (1, 3):
        row["messages"][place][key] = f"thought {place}"
    return row


def built_in(name: str) -> Encoder:
    tokenizer = make_tokenizer()
    replace_template(tokenizer, name)
    return Encoder(tokenizer)


CHATML_ENCODER = Encoder(make_tokenizer())


@pytest.mark.parametrize(
    ("row", "field", "name"),
    [
        (calling(), "messages[1].tool_calls", "hermes-tools"),
        (chat("a", "b", tools=TOOLS), "tools", "hermes-tools"),
        (thinking(), "messages[1].reasoning_content", "think"),
        (thinking("reasoning"), "messages[1].reasoning", "think"),
        (thinking("thinking"), "messages[1].thinking", "think"),
    ],
)
def test_what_the_template_leaves_out_is_refused_and_a_template_that_writes_it_is_named(
    row: dict[str, Any], field: str, name: str
) -> None:
    for ask in (CHATML_ENCODER.example, CHATML_ENCODER.prompt):
        if ask == CHATML_ENCODER.prompt and field == "messages[1].tool_calls":
            row = {**row, "messages": [*row["messages"], {"role": "tool", "content": "sunny"}]}
        with pytest.raises(FieldError) as error:
            ask(row)
        assert str(error.value).startswith(f"{field}: the chat template does not write ")
        assert error.value.hint.startswith(f"use --chat-template {name}, which writes this, or remove it")
    assert built_in("think").example(row).has_stop


def test_a_key_without_a_value_is_not_missed() -> None:
    row = chat("a", "b", tools=[])
    row["messages"][1] |= {"reasoning_content": "", "thinking": None, "tool_calls": [], "name": None}
    assert CHATML_ENCODER.example(row).notes == ()


def test_thoughts_that_are_written_in_the_last_turn_alone_are_refused_where_they_are_to_be_learned() -> None:
    encoder = Encoder(make_tokenizer(QWEN3_LIKE))
    with pytest.raises(
        FieldError, match=r"messages\[1\].reasoning_content: .* only in the last turns \(sft prep --expand-turns"
    ):
        encoder.example(thinking())
    assert "thought 3</think>6" in encoder.tokenizer.decode(encoder.example(thinking(), "last").ids)
    row = thinking()
    row["messages"][1]["weight"] = 0
    assert encoder.example(row).has_stop
    assert encoder.prompt({**row, "messages": row["messages"][:3]})[0].endswith(
        "3+3?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_rows_of_expanded_turns_are_trained_as_the_model_sees_them_at_inference() -> None:
    encoder = Encoder(make_tokenizer(QWEN3_LIKE))
    for place, row in zip((1, 3), rows_of_turns({"id": "r", **thinking()}, learns=True), strict=True):
        for kept in (row, without_reasoning(row, "last")):
            trained = encoder.tokenizer.decode(encoder.example(kept).ids)
            assert trained.startswith(encoder.prompt({**kept, "messages": kept["messages"][:-1]})[0])
            assert f"<think>thought {place}</think>" in trained
            assert trained.count("<think>") == 1


def test_two_thoughts_of_one_turn_are_refused() -> None:
    row = chat("a", "b")
    row["messages"][1] |= {"reasoning_content": "so", "reasoning": "not so"}
    with pytest.raises(
        FieldError,
        match=r"messages\[1\].reasoning_content: the turn has another thought in reasoning.*: keep only one",
    ):
        built_in("think").example(row)


def test_the_second_of_two_calls_is_not_lost() -> None:
    row = calling()
    row["messages"][1]["tool_calls"].append(call(name="clock")["tool_calls"][0])
    with pytest.raises(FieldError, match=r"messages\[1\].tool_calls\[1\]: the chat template does not write it"):
        Encoder(make_tokenizer(FIRST_CALL)).example(row)


@pytest.mark.parametrize("words", ["Be brief.", "a"])  # one letter stands somewhere in any rendering
def test_a_turn_of_which_no_word_is_written_is_refused(words: str) -> None:
    silent = CHATML.replace("for message in messages", "for message in messages if message.role != 'system'")
    row = chat("a", "b")
    row["messages"].insert(0, {"role": "system", "content": words})
    for ask in (Encoder(make_tokenizer(silent)).example, Encoder(make_tokenizer(silent)).prompt):
        with pytest.raises(FieldError, match=r"messages\[0\].content: the chat template does not write this system"):
            ask(row)
    row["messages"][0]["content"] = " "
    assert Encoder(make_tokenizer(silent)).example(row).has_stop


def test_words_before_a_call_are_not_lost() -> None:
    row = calling()
    row["messages"][1]["content"] = "Let me see."
    with pytest.raises(FieldError, match=r"messages\[1\].content: the chat template does not write this assistant"):
        Encoder(make_tokenizer(FIRST_CALL)).example(row)


def test_what_a_template_may_leave_out_is_told() -> None:
    row = chat("a", "b", images=["x.png"])
    row["messages"][0]["name"] = "Ada"
    assert CHATML_ENCODER.example(row).notes == (
        "with name in messages, which the chat template does not write",
        "with images, which the model does not see",
    )
    assert Encoder(make_tokenizer("{{ messages[0].name }}" + CHATML)).example(row).notes == (
        "with images, which the model does not see",
    )
    shortened = chat("q", "<think>hm</think>one", "q", "two")
    assert Encoder(example_templates.thinking()).example(shortened).notes == (
        "with a target turn that the chat template shortens or changes",
    )
    named = CHATML.replace("message['content'] +", "(message.content or message.tool_calls[0].function.name) +")
    assert Encoder(make_tokenizer(named)).example(calling()).notes == (
        "with arguments of tool calls, which the chat template does not write",
    )


def with_calls(written: str) -> str:
    """ChatML, with what stands for the arguments of a call."""
    call_text = f"(message.content or '') ~ ({written} if message.tool_calls else '') +"
    return CHATML.replace("message['content'] +", call_text)


ARGUMENTS = "message.tool_calls[0].function.arguments"
PIECES = {
    "text": with_calls(f"'call ' + {ARGUMENTS}"),
    "printed": with_calls(f"'call ' ~ {ARGUMENTS}"),
    "object": with_calls(f"'call ' + {ARGUMENTS} | tojson"),
    "items": with_calls(f"'call {{\"city\": \"' + {ARGUMENTS}.city + '\"}}'"),
}


@pytest.mark.parametrize("template", PIECES)
@pytest.mark.parametrize("arguments", [{"city": "Paris"}, '{"city": "Paris"}'])
def test_arguments_are_written_alike_as_an_object_and_as_text(template: str, arguments: Any) -> None:
    encoder = Encoder(make_tokenizer(PIECES[template]))
    empty = calling()
    empty["messages"][1] = call({})
    if template != "items":
        encoder.example(empty)  # it cannot tell how the template wants them
    row = calling()
    row["messages"][1] = call(arguments)
    assert 'call {"city": "Paris"}<|im_end|>' in encoder.training_text(row)


NO_CONTENT = {
    "is none": "'call' if message.content is none else message.content",
    "not there": "'call' if message.content is not defined else message.content ~ ''",
    "printed": "message.content ~ ('call' if message.tool_calls else '')",
    "text alone": "message.content + ('call' if message.tool_calls else '')",
    "trimmed": "message.content | trim + ('call' if message.tool_calls else '')",
}


@pytest.mark.parametrize("name", NO_CONTENT)
def test_a_content_that_is_not_there_is_given_as_the_template_wants_it(name: str) -> None:
    encoder = Encoder(make_tokenizer(CHATML.replace("message['content'] +", f"({NO_CONTENT[name]}) +")))
    absent = calling()
    del absent["messages"][1]["content"]
    for row in (calling(), absent):
        assert encoder.training_text(row).endswith("<|im_start|>assistant\ncall<|im_end|>\n")


HERMES = """\
<|im_start|>system
Be brief.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
<|im_start|>user
Weather?<|im_end|>
<|im_start|>assistant
<think>
I must ask.
</think>

Let me see.
<tool_call>
{"name": "weather", "arguments": {"city": "Paris"}}
</tool_call>
<tool_call>
{"name": "clock", "arguments": {}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
sunny
</tool_response>
<tool_response>
noon
</tool_response><|im_end|>
<|im_start|>assistant
Sunny.<|im_end|>
"""


def agent(**keys: Any) -> dict[str, Any]:
    asks = call(content="Let me see.", **keys)
    asks["tool_calls"].append(call({}, "clock")["tool_calls"][0])
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        asks,
        {"role": "tool", "content": "sunny"},
        {"role": "tool", "content": "noon"},
        {"role": "assistant", "content": "Sunny."},
    ]
    return {"id": "a", "messages": messages, "tools": TOOLS}


def test_the_built_in_templates_write_tools_calls_results_and_thoughts() -> None:
    """As Qwen 2.5's own template does, which is Hermes 2 Pro's format (the thought as Qwen 3 writes it)."""
    thought = "<think>\nI must ask.\n</think>\n\n"
    assert built_in("think").training_text(agent(reasoning_content="I must ask.")) == HERMES
    assert built_in("hermes-tools").training_text(agent()) == HERMES.replace(thought, "")
    plain = chat("What?", "The yen.")
    assert built_in("think").training_text(plain) == CHATML_ENCODER.training_text(plain)


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
def test_the_built_in_templates_pass_the_check(name: str) -> None:
    check = TemplateCheck(built_in(name))
    rows = [chat("a", "b", "c", "d"), agent(), calling(tools=TOOLS)] + ([thinking()] if name == "think" else [])
    for row in rows:
        check.add("r", row)
    assert {finding.verdict for finding in check.findings()} == {"ok"}


def test_a_built_in_template_needs_its_special_tokens_and_an_unknown_one_names_them(tmp_path: Any) -> None:
    with pytest.raises(UserError, match=r"think writes <\|im_start\|> and <\|im_end\|>, which the tokenizer does not"):
        replace_template(sentencepiece_like(), "think")
    with pytest.raises(
        UserError, match=r"cannot read thnk: .* Did you mean 'think'\?\nhint: use a Jinja file, or hermes"
    ):
        replace_template(make_tokenizer(), "thnk")
    (tmp_path / "t").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        replace_template(make_tokenizer(), str(tmp_path / "t"))


def test_the_built_in_templates_are_shipped_and_named_in_the_help() -> None:
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    name = CHATML_FILE.relative_to(root / "sft_cli").as_posix()
    assert any(fnmatch(name, pattern) for pattern in settings["package-data"]["sft_cli"])
    flag = next(field.flag for field in fields_of(TrainSettings) if field.name == "chat_template")
    assert all(f"{name} (" in flag.help for name in CHAT_TEMPLATES)
    assert flag.names == tuple(CHAT_TEMPLATES)  # else they are looked for as files
