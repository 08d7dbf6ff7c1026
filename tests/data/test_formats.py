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
    assert detect(row) == ("text" if name == "text" else "messages")
    assert FORMATS.load(detect(row))(row) == row


def test_every_format_has_a_sample():
    assert {name for name, _, _ in GOOD} == set(FORMATS)


def test_records_of_no_format_are_not_guessed_at():
    for record in ({}, {"sentence": "a", "label": "b"}, {"instruction": "a"}, {"messages": None}):
        assert detect(record) is None


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
        {"conversations": [{"from": "human", "value": "q"}, {"from": "bot", "value": "a"}]},
        "conversations[1].from: expected one of system, developer, user, human, assistant, gpt, chatgpt, model, "
        'function_call, tool, observation, function, function_response, got "bot"',
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
        chat(user("q"), {"role": "bot", "content": "a"}),
        'messages[1].role: expected system, user, assistant or tool, got "bot"',
    ),
    (
        "messages",
        chat(user([{"type": "text", "text": "q"}, {"type": "image_url"}])),
        'messages[0].content[1].type: expected "text", got "image_url"',
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
        'messages[0].content[0].type: expected "text", got "reasoning"',
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
    ("text", {"text": None}, "text: expected text, got null"),
]


@pytest.mark.parametrize(("name", "record", "message"), BAD)
def test_a_bad_record_names_its_field(name, record, message):
    with pytest.raises(FieldError) as caught:
        FORMATS.load(name)(record)
    assert str(caught.value) == message
