"""The row contract: what is accepted, and what each broken field is told."""

import gzip
import json

import pytest
import zstandard

from sft_cli.data.rows import as_prompt, check_row, content_key, read_rows, reference_texts, stems
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger

USER, ASSISTANT = {"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
GOOD = {"id": "1", "messages": [USER, ASSISTANT]}


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {"text": "raw"},
        {"messages": [USER, CALL, {"role": "tool", "content": "4"}, ASSISTANT]},
        {"messages": [USER, {**ASSISTANT, "weight": 0}], "weight": 0.5, "task": "t", "tools": [], "other": object()},
        {"messages": [USER], "references": ["b"], "choices": ["b", "c"], "answer": "b"},
        {"messages": [USER], "answer": 3},
    ],
)
def test_rows_that_keep_the_contract_pass(row):
    check_row(row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": 1, "b": 2}, "expected messages or text, got the keys a, b"),
        ({}, "expected messages or text, got an empty object"),
        ({**GOOD, "text": "x"}, "text: expected messages or text, got both"),
        ({"text": ""}, 'text: expected a string that is not empty, got ""'),
        ({"messages": []}, "messages: expected a list with at least one message, got []"),
        ({"messages": "hi"}, 'messages: expected a list with at least one message, got "hi"'),
        ({"messages": ["hi"]}, 'messages[0]: expected an object with role and content, got "hi"'),
        (
            {"messages": [USER, {"role": "bot", "content": ""}]},
            'messages[1].role: expected system, user, assistant or tool, got "bot"',
        ),
        ({"messages": [{"content": ""}]}, "messages[0].role: expected system, user, assistant or tool, got nothing"),
        ({"messages": [{"role": "user"}]}, "messages[0].content: expected a string, got nothing"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content: expected a string, got 3"),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
            "messages[0].content: expected a string, got null",
        ),
        (
            {"messages": [{**ASSISTANT, "tool_calls": ["f"]}]},
            'messages[0].tool_calls: expected a list of objects, got ["f"]',
        ),
        (
            {"messages": [{**ASSISTANT, "weight": -1}]},
            "messages[0].weight: expected a number of at least 0, got -1",
        ),
        ({**GOOD, "weight": float("nan")}, "weight: expected a number of at least 0, got NaN"),
        ({**GOOD, "weight": True}, "weight: expected a number of at least 0, got true"),
        ({**GOOD, "weight": "1"}, 'weight: expected a number of at least 0, got "1"'),
        ({**GOOD, "id": 17}, "id: expected a string, got 17"),
        ({**GOOD, "task": None}, "task: expected a string, got null"),
        ({**GOOD, "references": "b"}, 'references: expected a list of strings, got "b"'),
        ({**GOOD, "choices": ["a", 1]}, "choices[1]: expected a string, got 1"),
        ({**GOOD, "answer": ["b"]}, 'answer: expected a string or a number, got ["b"]'),
        ({**GOOD, "tools": "[]"}, 'tools: expected a list, got "[]"'),
        ({**GOOD, "tools": [{}, "clock"]}, 'tools[1]: expected an object, got "clock"'),
    ],
)
def test_each_broken_field_is_named_with_what_was_expected(row, message):
    with pytest.raises(FieldError) as caught:
        check_row(row)
    assert str(caught.value) == message


def write(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_rows_are_located_and_get_an_id_from_their_prompt(tmp_path):
    path = write(tmp_path / "old.rows.jsonl", GOOD, "\n", {"text": "x", "extra": {"kept": 1}})
    rows = list(read_rows([path], Ledger()))
    assert rows == [(f"{path}:1", GOOD), (f"{path}:3", {"id": "5fae6fa2bdc88ea4", "text": "x", "extra": {"kept": 1}})]


def test_bad_rows_go_to_the_ledger_with_file_and_line(tmp_path):
    path = write(tmp_path / "a.jsonl", GOOD, {"messages": [USER, {"role": "bot"}]}, "nonsense\n", GOOD)
    ledger = Ledger("stop")
    assert len(list(read_rows([path], ledger))) == 2
    with pytest.raises(UserError) as caught:
        ledger.close()
    lines = str(caught.value).splitlines()
    assert lines[0] == f'{path}:2: messages[1].role: expected system, user, assistant or tool, got "bot"'
    assert lines[1].startswith(f"{path}:3: expected a JSON object, got ")
    assert lines[2:] == ["2 bad rows", "hint: --on-error skip --rejects bad.jsonl continues without the bad rows"]
    assert ledger.counts["rejected: messages[].role"] == 1


@pytest.mark.parametrize(
    ("need", "messages", "message"),
    [
        ("target", [USER], "messages: expected an assistant turn, got none"),
        (
            "target",
            [USER, {"role": "assistant", "content": " "}],
            'messages[1].content: expected text or tool calls to learn, got " "',
        ),
        ("prompt", [ASSISTANT], "messages: expected a user turn before the assistant turn, got only an assistant turn"),
    ],
)
def test_a_command_may_need_something_to_learn_or_to_answer(tmp_path, need, messages, message):
    path = write(tmp_path / "a.jsonl", GOOD, {"text": "x"}, {"messages": messages})
    ledger = Ledger()
    assert len(list(read_rows([path], ledger, need=need))) == 2
    assert ledger.error_lines() == [f"{path}:3: {message}"]


@pytest.mark.parametrize("more", [{"weight": 0}, {"tool_calls": [{"name": "f"}]}, {"reasoning_content": "r"}])
def test_an_assistant_turn_without_words_may_stand_where_it_is_not_learned_or_says_something_else(tmp_path, more):
    path = write(tmp_path / "a.jsonl", {"messages": [USER, {"role": "assistant", "content": "", **more}]})
    assert len(list(read_rows([path], Ledger(), need="target"))) == 1


def test_rows_without_an_answer_name_the_flag_that_mends_them(tmp_path):
    path = write(tmp_path / "a.jsonl", {"messages": [USER]}, {"messages": [USER]})
    ledger = Ledger()
    assert not list(read_rows([path], ledger, need="target"))
    with pytest.raises(UserError) as caught:
        ledger.close()
    last = str(caught.value).splitlines()[-1]
    assert last == "hint: sft prep --map NEW=OLD names the field of the answer, for example --map answer=reply"


@pytest.mark.parametrize(
    ("first", "hint"),
    [
        ({"instruction": "a", "output": "b"}, "sft prep --format alpaca {path} converts this file"),
        ({"conversations": [{"from": "human", "value": "a"}]}, "sft prep --format sharegpt {path} converts this file"),
        ({"messages": [{"from": "human", "value": "a"}]}, "sft prep --format sharegpt {path} converts this file"),
        ({"prompt": "a", "completion": "b"}, "sft prep --format prompt-completion {path} converts this file"),
        ("[\n", "sft prep {path} converts this file"),
        ('[{"instruction": "a"}]\n', "sft prep {path} converts this file"),
    ],
)
def test_raw_data_where_rows_are_expected_gets_the_cure_and_stops_at_once(tmp_path, first, hint):
    path = write(tmp_path / "raw.jsonl", first, first, first)
    ledger = Ledger()
    assert not list(read_rows([path], ledger))
    with pytest.raises(UserError, match="1 bad row\nhint: ") as caught:
        ledger.close()
    assert str(caught.value).endswith("hint: " + hint.format(path=path))


@pytest.mark.parametrize(("pack", "damage"), [(gzip.compress, 15), (zstandard.ZstdCompressor().compress, 12)])
def test_a_damaged_compressed_file_is_an_error_not_a_crash(tmp_path, pack, damage):
    packed = bytearray(pack(b"".join(b'{"text": "%d"}\n' % number for number in range(999))))
    packed[damage] ^= 0xFF
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(packed)
    with pytest.raises(UserError, match="cannot read: "):
        list(read_rows([str(path)], Ledger("skip")))


def test_limit_counts_good_and_bad_rows_over_all_files(tmp_path):
    first, second = write(tmp_path / "a.jsonl", GOOD, {"a": 1}), write(tmp_path / "b.jsonl", GOOD, GOOD)
    ledger = Ledger("skip")
    assert len(list(read_rows([first, second], ledger, limit=3))) == 2
    assert ledger.rejected == 1
    assert not list(read_rows([first, second], Ledger(), limit=0))


def test_a_last_assistant_turn_becomes_the_reference():
    assert as_prompt(GOOD) == {"id": "1", "messages": [USER], "references": ["b"]}
    assert as_prompt({**GOOD, "references": ["c"]}) == {"id": "1", "messages": [USER], "references": ["c"]}
    assert GOOD["messages"] == [USER, ASSISTANT]


def test_rows_without_a_last_assistant_turn_are_prompts_already():
    for row in ({"messages": [USER]}, {"text": "x"}, {"messages": [ASSISTANT, USER]}):
        assert as_prompt(row) is row


def test_a_tool_call_as_reference_is_its_json():
    assert as_prompt({"messages": [USER, CALL]})["references"] == ['[{"name": "f", "arguments": {}}]']


def test_content_is_what_identifies_a_row():
    same = {"id": "2", "messages": [USER, {**ASSISTANT, "weight": 0.0}], "source": "x:1", "weight": 2, "task": "t"}
    assert content_key(GOOD) == content_key(same)
    assert content_key(GOOD) != content_key({"messages": [USER, {**ASSISTANT, "content": "c"}]})
    assert content_key(GOOD) != content_key({**GOOD, "references": ["b"]})
    assert content_key({"text": "a", "id": "1"}) == content_key({"text": "a"})


def test_references_come_before_the_answer():
    assert reference_texts({"references": ["a", "b"], "answer": "c"}) == ["a", "b"]
    assert reference_texts({"answer": "c"}) == ["c"]
    assert reference_texts({"answer": 3}) == ["3"]
    assert reference_texts({}) == []


def test_inputs_of_one_name_get_different_stems():
    assert stems(["a/train.jsonl.gz", "b/train.json", "-", "hf:o/n:test"]) == ["train", "train.2", "row", "n-test"]
    assert stems([".jsonl", "my.data.csv"]) == [".jsonl", "my.data"]
