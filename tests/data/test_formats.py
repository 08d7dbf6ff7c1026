"""Each format: a record in, a row out; each bad record gives its message; the format is told by the keys."""

import pytest

from sft_cli.data.formats import FORMATS, detect
from sft_cli.data.rows import check_row
from sft_cli.run.errors import FieldError


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(**arguments):
    return {"type": "function", "function": {"name": "f", "arguments": arguments}}


def chat(*turns, name="messages"):
    return {name: list(turns)}


SYSTEM = {"role": "system", "content": "s"}
PAIR = [user("q"), assistant("a")]
TOOL = {"type": "function", "function": {"name": "f"}}

GOOD = [
    ("alpaca", {"instruction": "q", "input": "", "output": "a"}, {"messages": PAIR}),
    ("alpaca", {"instruction": "do", "input": "x", "output": "a"}, {"messages": [user("do\nx"), assistant("a")]}),
    (
        "alpaca",
        {"instruction": "q", "output": "a", "system": "s", "history": [["1", "2"]], "task": "t", "weight": 2},
        {"messages": [SYSTEM, user("1"), assistant("2"), *PAIR], "task": "t", "weight": 2},
    ),
    (
        "alpaca",
        {"instruction": "q", "input": None, "output": "a", "system": "", "history": None, "task": None, "other": None},
        {"messages": PAIR, "other": None},
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"messages": PAIR},
    ),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "user", "value": "q"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                {"from": "observation", "value": "4"},
                {"from": "assistant", "value": "a"},
            ],
            "system": "s",
            "tools": '[{"name": "f"}]',
        },
        {
            "messages": [
                SYSTEM,
                user("q"),
                assistant("", tool_calls=[call(x=1)]),
                {"role": "tool", "content": "4"},
                assistant("a"),
            ],
            "tools": [TOOL],
        },
    ),
    (
        "sharegpt",
        {"conversation": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}], "system": "other"},
        {"messages": [SYSTEM, user("q")]},
    ),
    ("sharegpt", {"conversations": '[{"from": "human", "value": "q"}]', "tools": "[]"}, {"messages": [user("q")]}),
    ("messages", {"messages": [SYSTEM, *PAIR], "tools": [TOOL]}, {"messages": [SYSTEM, *PAIR], "tools": [TOOL]}),
    ("messages", {"messages": '[{"role": "user", "content": "q"}]'}, {"messages": [user("q")]}),
    ("messages", {"conversations": PAIR, "system": "s"}, {"messages": [SYSTEM, *PAIR]}),
    (
        "messages",
        {
            "messages": [
                user("q"),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
                },
                {"role": "tool", "content": {"y": 2}, "tool_call_id": "1", "name": None},
            ]
        },
        {
            "messages": [
                user("q"),
                assistant(None, tool_calls=[{**call(x=1), "id": "1"}]),
                {"role": "tool", "content": '{"y": 2}', "tool_call_id": "1"},
            ]
        },
    ),
    (
        "messages",
        {
            "messages": [
                user("q"),
                {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
                {"role": "function", "name": "f", "content": "4"},
            ]
        },
        {"messages": [user("q"), assistant(None, tool_calls=[call()]), {"role": "tool", "content": "4", "name": "f"}]},
    ),
    (
        "messages",
        {
            "messages": [
                user([{"type": "text", "text": "q"}]),
                assistant("a", train=False),
                assistant("b", loss=True),
                assistant("c", loss_scale=0.5),
                assistant("d", weight=0),
                {"role": "developer", "content": "s"},
            ]
        },
        {
            "messages": [
                user("q"),
                assistant("a", weight=0.0),
                assistant("b", weight=1.0),
                assistant("c", weight=0.5),
                assistant("d", weight=0.0),
                SYSTEM,
            ]
        },
    ),
    (
        "messages",
        chat(user("q"), {"role": "assistant", "tool_calls": [call(x=1)]}),
        {"messages": [user("q"), {"role": "assistant", "tool_calls": [call(x=1)]}]},
    ),
    (
        "messages",
        chat(
            {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "value": "r"},
                    {"type": "tool_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                    {"type": "tool_call", "value": '{"name": "f", "arguments": {"x": 2}}'},
                ],
            },
            {"role": "assistant", "content": [{"type": "reasoning", "value": "r"}, {"type": "text", "value": "a"}]},
        ),
        {
            "messages": [
                {**user("q"), "weight": 0.0},
                assistant(None, tool_calls=[call(x=1), call(x=2)], reasoning_content="r"),
                assistant("a", reasoning_content="r"),
            ]
        },
    ),
    (
        "generations",
        {"messages": [user("q")], "completion": "a", "sample": 2, "finish_reason": "stop", "error": None, "task": "t"},
        {"messages": PAIR, "task": "t", "generated": {"sample": 2, "finish_reason": "stop"}},
    ),
    ("prompt-completion", {"prompt": "q", "completion": "a", "answer": "x"}, {"messages": PAIR, "answer": "x"}),
    ("prompt-completion", {"question": "q", "answer": "a"}, {"messages": PAIR}),
    ("prompt-completion", {"instruction": "q", "response": "a", "system": "s"}, {"messages": [SYSTEM, *PAIR]}),
    (
        "prompt-completion",
        {"prompt": [SYSTEM, user("q")], "completion": [assistant("a")]},
        {"messages": [SYSTEM, *PAIR]},
    ),
    ("prompt-completion", {"prompt": [user("q")], "completion": "a"}, {"messages": PAIR}),
    ("prompt-completion", {"prompt": "q", "references": ["a"]}, {"messages": [user("q")], "references": ["a"]}),
    (
        "triples",
        {"subject": "Peru", "relation": "capital", "object": "Lima", "task": "t", "graph": "g"},
        {"messages": [user("What is the capital of Peru?"), assistant("Lima")], "task": "t", "graph": "g"},
    ),
    (
        "triples",
        {"subject": "秘鲁", "relation": "首都", "object": "利马"},
        {"messages": [user("秘鲁的首都是什么？"), assistant("利马")]},
    ),
    (
        "triples",
        {"subject": "Peru", "relation": "place_of_birth", "object": 3},
        {"messages": [user("What is the place of birth of Peru?"), assistant("3")]},
    ),
    (
        "triples",
        {"subject": "Peru", "relation": "shares border with", "object": "Chile"},
        {"messages": [user("Complete the fact: Peru – shares border with – ?"), assistant("Chile")]},
    ),
    (
        "triples",
        {"subject": "{x}", "relation": "得名于", "object": "利马"},
        {"messages": [user("补全这个事实：{x} – 得名于 – ？"), assistant("利马")]},
    ),
    (
        "triples",
        {"subject": "Peru", "relation": "Who leads {subject}?", "object": "someone"},
        {"messages": [user("Who leads Peru?"), assistant("someone")]},
    ),
    (
        "sharegpt",
        {"conversation": [{"system": "s", "input": "q", "output": "a"}, {"input": "1", "output": "2"}]},
        {"messages": [SYSTEM, *PAIR, user("1"), assistant("2")]},
    ),
    (
        "sharegpt",
        {
            "conversation": [{"human": "q", "assistant": "a", "loss_weight": 0, "reasoning_content": "r"}],
            "system_prompt": "s",
        },
        {"messages": [SYSTEM, user("q"), assistant("a", weight=0.0, reasoning_content="r")]},
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "content": "q"}, {"from": "bot", "value": "a"}]},
        {"messages": PAIR},
    ),
    ("messages", {"conversation": [{"role": "user", "value": "q"}, assistant("a")]}, {"messages": PAIR}),
    ("messages", {"messages": PAIR, "system": [{"type": "text", "text": "s"}]}, {"messages": [SYSTEM, *PAIR]}),
    (
        "messages",
        {
            **chat(
                user("q"),
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "r", "signature": "x"},
                        {"type": "text", "text": "t"},
                        {"type": "tool_use", "id": "1", "name": "f", "input": {"x": 1}},
                        {"type": "tool_use", "id": "2", "name": "f", "input": {}},
                    ],
                },
                user(
                    [
                        {"type": "tool_result", "tool_use_id": "1", "content": "4"},
                        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "5"}]},
                        {"type": "text", "text": "and?"},
                    ]
                ),
                assistant([{"type": "text", "text": "a"}]),
            ),
            "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        },
        {
            "messages": [
                user("q"),
                assistant("t", tool_calls=[{**call(x=1), "id": "1"}, {**call(), "id": "2"}], reasoning_content="r"),
                {"role": "tool", "content": "4", "tool_call_id": "1"},
                {"role": "tool", "content": "5", "tool_call_id": "2"},
                user("and?"),
                assistant("a"),
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
                }
            ],
        },
    ),
    (
        "messages",
        chat(
            user(
                [
                    {"type": "text", "text": "x"},
                    {"type": "tool_result", "is_error": True},
                    {"type": "text", "text": "y"},
                ]
            )
        ),
        {"messages": [user("x"), {"role": "tool", "content": "", "is_error": True}, user("y")]},
    ),
    (
        "messages",
        chat(user("q"), {"role": "tool", "content": [{"type": "house", "rooms": 3}]}),
        {"messages": [user("q"), {"role": "tool", "content": '[{"type": "house", "rooms": 3}]'}]},
    ),
    ("prompt-completion", {"question": "q", "response": "a", "system_prompt": "s"}, {"messages": [SYSTEM, *PAIR]}),
    ("prompt-completion", {"prompt": [user("q")], "completion": {"from": "gpt", "value": "a"}}, {"messages": PAIR}),
    ("prompt-completion", {"input": "q", "content": "a", "n": 1}, {"messages": PAIR, "n": 1}),
    (
        "openai",
        {
            "custom_id": "r1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": [SYSTEM, user("q")], "tools": [TOOL]},
            "id": "batch_1",
            "response": {
                "status_code": 200,
                "body": {
                    "model": "m",
                    "choices": [{"message": {"role": "assistant", "content": "a", "refusal": None}}],
                },
            },
            "error": None,
        },
        {
            "messages": [SYSTEM, *PAIR],
            "tools": [TOOL],
            "custom_id": "r1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m"},
            "response": {"status_code": 200, "body": {"model": "m"}},
        },
    ),
    ("text", {"text": "a b", "url": "u", "task": None}, {"text": "a b", "url": "u"}),
]


@pytest.mark.parametrize(("name", "record", "row"), GOOD)
def test_a_record_becomes_its_row_and_its_format_is_detected(name, record, row):
    assert detect(record) == name
    converted = FORMATS.load(name)(record)
    assert converted == row
    check_row(converted)


@pytest.mark.parametrize(("name", "record", "row"), GOOD)
def test_a_row_is_a_record_of_its_own_format_and_stays_the_same(name, record, row):
    assert detect(row) == (name if name in ("text", "openai") else "messages")
    if name == "openai":
        return  # the row of a batch keeps its settings
    assert FORMATS.load(detect(row))(row) == row


def test_every_format_has_a_sample():
    assert {name for name, _, _ in GOOD} == set(FORMATS)


def test_records_of_no_format_are_not_guessed_at():
    for record in ({}, {"sentence": "a", "label": "b"}, {"instruction": "a"}, {"messages": None}):
        assert detect(record) is None


OPENAI = "system, developer, user, assistant, tool, function"


def batch(**changes):
    return {"custom_id": "r1", "body": chat(user("q")), "response": None, **changes}


BAD = [
    ("alpaca", {"instruction": "", "output": "a"}, 'instruction: expected text, got ""'),
    ("alpaca", {"output": "a"}, "instruction: expected text, got nothing"),
    ("alpaca", {"instruction": "q"}, "output: expected text, got nothing"),
    ("alpaca", {"instruction": "q", "output": " "}, 'output: expected text, got " "'),
    ("alpaca", {"instruction": "q", "output": ["a", "b"]}, 'output: expected text, got ["a", "b"]'),
    ("alpaca", {"instruction": 3, "output": "a"}, "instruction: expected a string, got 3"),
    ("alpaca", {"instruction": "q", "input": {}, "output": "a"}, "input: expected a string, got {}"),
    ("alpaca", {"instruction": "q", "output": "a", "system": 1}, "system: expected a string, got 1"),
    ("alpaca", {"instruction": "q", "output": "a", "history": 1}, "history: expected a list of pairs, got 1"),
    (
        "alpaca",
        {"instruction": "q", "output": "a", "history": [["1", "2"], ["1"]]},
        'history[1]: expected a pair of strings, got ["1"]',
    ),
    ("sharegpt", {}, "conversations: expected a list of turns, got nothing"),
    ("sharegpt", {"conversations": []}, "conversations: expected a list with at least one turn, got []"),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "q"}, {"from": "narrator", "value": "a"}]},
        "conversations[1].from: expected one of system, developer, user, human, assistant, gpt, chatgpt, bot, ai, "
        'model, function_call, tool, observation, function, function_response, got "narrator"',
    ),
    ("sharegpt", {"conversations": [{"from": "gpt"}]}, "conversations[0].value: expected a string, got nothing"),
    (
        "sharegpt",
        {"conversations": [{"from": "function_call", "value": "f(1)"}]},
        'conversations[0].value: expected JSON, got "f(1)"',
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "function_call", "value": '{"arguments": {}}'}]},
        'conversations[0].value: expected a tool call with name and arguments, got {"arguments": {}}',
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "q"}], "tools": "f, g"},
        'tools: expected JSON, got "f, g"',
    ),
    ("messages", {}, "messages: expected a list of turns, got nothing"),
    ("messages", {"messages": "hello"}, 'messages: expected JSON, got "hello"'),
    ("messages", chat("q"), 'messages[0]: expected an object with role and content, got "q"'),
    ("messages", chat(user(None)), "messages[0].content: expected a string, got nothing"),
    ("messages", chat(user(["q"])), 'messages[0].content: expected a string, got ["q"]'),
    (
        "messages",
        chat(user("q"), {"role": "narrator", "content": "a"}),
        'messages[1].role: expected system, user, assistant or tool, got "narrator"',
    ),
    (
        "messages",
        chat(user([{"type": "text", "text": "q"}, {"type": "image_url"}])),
        "messages[0].content[1].type: expected text, got an image (image_url); sft trains on text only",
    ),
    (
        "messages",
        chat(assistant("", tool_calls=[call(), {"function": {"name": "f", "arguments": "[1]"}}])),
        "messages[0].tool_calls[1].arguments: expected an object, got [1]",
    ),
    (
        "messages",
        chat(assistant("", tool_calls="f")),
        'messages[0].tool_calls: expected JSON, got "f"',
    ),
    (
        "messages",
        chat(assistant("a", train="no")),
        'messages[0].train: expected a number, true or false, got "no"',
    ),
    ("messages", chat(user("q"), assistant("")), 'messages[1].content: expected text or tool calls, got ""'),
    ("messages", chat(user("q"), assistant(" \n")), 'messages[1].content: expected text or tool calls, got " \\n"'),
    ("messages", chat(user("q"), assistant([])), "messages[1].content: expected text or tool calls, got []"),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": ""}]},
        'conversations[1].value: expected text or tool calls, got ""',
    ),
    ("alpaca", {"instruction": "q", "output": "a", "history": [["q", ""]]}, 'history[0][1]: expected text, got ""'),
    ("messages", chat(user([{"type": "text"}])), "messages[0].content[0].value: expected a string, got nothing"),
    (
        "messages",
        chat(user([{"type": "reasoning", "value": "r"}])),
        'messages[0].content[0].type: expected "text" or "tool_result", got "reasoning"',
    ),
    ("messages", {**chat(user("q")), "tools": 3}, "tools: expected a list, got 3"),
    (
        "messages",
        {**chat(user("q")), "tools": [TOOL, "f"]},
        'tools[1]: expected an object with a function or a name, got "f"',
    ),
    ("triples", {"subject": "Peru", "relation": "capital", "object": ""}, 'object: expected text, got ""'),
    (
        "triples",
        {"subject": "Peru", "relation": "P36", "object": "Lima"},
        'relation: expected a name in words, got the id "P36"',
    ),
    (
        "triples",
        {"subject": "http://x/y", "relation": "capital", "object": "Lima"},
        'subject: expected a name in words, got the id "http://x/y"',
    ),
    ("prompt-completion", {"prompt": "q", "completion": None}, "completion: expected text, got null"),
    ("prompt-completion", {"question": "", "answer": "a"}, 'question: expected text, got ""'),
    ("prompt-completion", {"other": "q"}, "prompt: expected text, got nothing"),
    (
        "prompt-completion",
        {"prompt": "q", "completion": [user("a")]},
        'completion: expected an assistant turn at the end, got "user"',
    ),
    (
        "sharegpt",
        {"conversation": [{"input": "q", "output": ""}]},
        'conversation[0].output: expected text or tool calls, got ""',
    ),
    (
        "sharegpt",
        {"conversation": [{"input": 3, "output": "a"}]},
        "conversation[0].input: expected a string, got 3",
    ),
    (
        "messages",
        chat(user([{"type": "tool_result", "content": [{"type": "image", "source": {}}]}])),
        "messages[0].content[0].content[0].type: expected text, got an image (image); sft trains on text only",
    ),
    (
        "messages",
        chat(user([{"type": "tool_result", "content": "4"}, {"type": "input_audio"}])),
        "messages[0].content[1].type: expected text, got audio (input_audio); sft trains on text only",
    ),
    (
        "messages",
        chat(assistant([{"type": "tool_result", "content": "4"}])),
        'messages[0].role: expected user or tool beside a tool_result, got "assistant"',
    ),
    (
        "messages",
        chat(assistant([{"type": "tool_use", "input": {}}])),
        "messages[0].content[0]: expected a tool call with name and arguments, got "
        '{"id": null, "name": null, "arguments": {}}',
    ),
    (
        "messages",
        chat(assistant([{"type": "redacted_thinking", "data": "x"}])),
        'messages[0].content[0].type: expected "text" or "reasoning" or "thinking" or "tool_call" or "tool_use", '
        'got "redacted_thinking"',
    ),
    ("messages", {**chat(user("q")), "system": 3}, "system: expected a string, got 3"),
    # What OpenAI's own checker looks for: data_type is in test_readers, the others are here.
    ("openai", {}, "messages: expected a list of turns, got nothing"),
    ("openai", {"messages": []}, "messages: expected a list of turns, got []"),
    ("openai", chat("q"), 'messages[0]: expected an object with role and content, got "q"'),
    ("openai", chat({"content": "q"}), f"messages[0].role: expected one of {OPENAI}, got nothing"),
    ("openai", chat({"role": "user"}, assistant("a")), "messages[0].content: expected text, got nothing"),
    ("openai", chat(user(""), assistant("a")), 'messages[0].content: expected text, got ""'),
    (
        "openai",
        chat(user("q"), assistant("a", mood="x")),
        "messages[1].mood: expected one of role, content, name, function_call, weight, tool_calls, tool_call_id, "
        'refusal, audio, annotations, got "mood"',
    ),
    ("openai", chat({"role": "human", "content": "q"}), f'messages[0].role: expected one of {OPENAI}, got "human"'),
    ("openai", chat(user("q")), "messages: expected an assistant turn, got none"),
    ("openai", chat(user("q"), assistant("a", weight=0.5)), "messages[1].weight: expected 0 or 1, got 0.5"),
    (
        "openai",
        chat({**user("q"), "weight": 1}, assistant("a")),
        "messages[0].weight: expected a weight only in an assistant turn, got 1",
    ),
    (
        "openai",
        {"input": chat(user("q")), "preferred_output": [assistant("a")], "non_preferred_output": [assistant("b")]},
        "preferred_output: expected one answer, got a pair of preferences",
    ),
    (
        "openai",
        batch(body=None, response={"body": {"choices": [{"message": {"content": "a"}}]}}),
        "body: expected the request beside its answer, got only the answer",
    ),
    ("openai", batch(url="/v1/embeddings"), 'url: expected /v1/chat/completions, got "/v1/embeddings"'),
    ("openai", batch(error={"code": "x"}), 'error: expected an answer, got {"code": "x"}'),
    ("openai", batch(response={"status_code": 429}), "response.status_code: expected 200, got 429"),
    ("openai", batch(response=[]), "response: expected an object, got []"),
    ("openai", batch(response={"body": {}}), "response.body.choices: expected a list of one answer, got null"),
    (
        "openai",
        batch(response={"body": {"choices": [{}, {}]}}),
        "response.body.choices: expected a list of one answer, got 2 answers",
    ),
    (
        "openai",
        batch(response={"body": {"choices": [{"finish_reason": "length"}]}}),
        'response.body.choices[0].finish_reason: expected a whole answer, got one that was cut: "length"',
    ),
    (
        "openai",
        batch(response={"body": {"choices": [{}]}}),
        "response.body.choices[0].message: expected an object with role and content, got null",
    ),
    (
        "openai",
        batch(response={"body": {"choices": [{"message": {"content": None, "refusal": "no"}}]}}),
        'response.body.choices[0].message.refusal: expected an answer, got a refusal: "no"',
    ),
    ("openai", batch(body={"messages": 3}), "body.messages: expected a list of turns, got 3"),
    ("text", {"text": None}, "text: expected text, got null"),
]


@pytest.mark.parametrize(("name", "record", "message"), BAD)
def test_a_bad_record_names_its_field(name, record, message):
    with pytest.raises(FieldError) as caught:
        FORMATS.load(name)(record)
    assert str(caught.value) == message
