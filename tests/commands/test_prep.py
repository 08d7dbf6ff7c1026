"""`sft prep` as people run it: streams, files, exit codes, messages."""

import datetime
import decimal
import functools
import gzip
import json
import os
import re
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ALPACA = [{"instruction": f"question {number}", "input": "", "output": f"answer {number}"} for number in range(200)]
TWO = (
    '[\n {"instruction": "hi", "input": "", "output": "hello"},\n {"instruction": "bye", "output": "ciao", "id": 7}\n]'
)
ROW_1 = {
    "id": "c73d6db04b205faf",
    "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}],
    "source": "two.json:2",
}
ROW_2 = {
    "id": "7",
    "messages": [{"role": "user", "content": "bye"}, {"role": "assistant", "content": "ciao"}],
    "source": "two.json:3",
}


@pytest.fixture
def prep(sft, here):
    return functools.partial(sft, "prep")


@pytest.fixture
def two(tmp_path):
    (tmp_path / "two.json").write_text(TWO)
    return "two.json"


def write_lines(path, rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path.name


def read_lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_rows_go_to_stdout_and_the_ledger_to_stderr(prep, two):
    result = prep(two)
    assert (result.code, result.rows) == (0, [ROW_1, ROW_2])
    assert result.err == "format: alpaca (detected from the first record of two.json)\n2  read\n2  written\n"


def test_text_is_written_as_it_is_not_escaped(prep):
    result = prep(stdin='{"text": "你好"}\n'.encode())
    assert result.out == '{"id":"a2897d8af6ce5f7b","text":"你好","source":"<stdin>:1"}\n'


def test_prepared_rows_stay_the_same_when_prepared_again(prep, two):
    once = prep(two).out
    assert prep("-", stdin=once.encode()).out == once


def test_a_file_appears_whole_with_its_manifest(prep, two, tmp_path):
    assert prep(two, "-o", "out/rows.jsonl", "-q").err == ""
    assert read_lines(tmp_path / "out/rows.jsonl") == [ROW_1, ROW_2]
    manifest = json.loads((tmp_path / "out/rows.jsonl.meta.json").read_text())
    assert (manifest["command"], manifest["inputs"][0]["path"]) == ("prep", "two.json")
    assert "already exists" in prep(two, "-o", "out/rows.jsonl").err
    assert "is up to date" in prep(two, "-o", "out/rows.jsonl", "--skip-if-current").err


def test_columns_can_be_renamed(prep, tmp_path):
    name = write_lines(tmp_path / "a.jsonl", [{"sentence": "fine", "label": "Good", "id": "x"}])
    result = prep(name, "--map", "prompt=sentence", "--map", "completion=label", "--task", "sst2")
    assert result.rows == [
        {
            "id": "x",
            "messages": [{"role": "user", "content": "fine"}, {"role": "assistant", "content": "Good"}],
            "task": "sst2",
            "source": "a.jsonl:1",
        }
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--map", "prompt"], "--map: expected NEW=OLD, got 'prompt'\nhint: --map instruction=question"),
        (["--map", "task=x", "--map", "task=y"], "--map: task: this new name is given twice"),
        (["--map", "ouput=input"], "--map: ouput: no format has this field. Did you mean 'output'? Known: messages, "),
        (["--map", "task=none"], "two.json:2: none: expected a field for task, got the fields instruction, input, "),
        (["--eval", "--prompts"], "--prompts: has no effect with --eval, which needs an answer in each row"),
        (
            ["--map", "output=input"],
            "two.json:2: output: expected one field of this name, got two: one from --map and one in the",
        ),
        (["--split", "a=1"], "--split: needs a directory, for one file per part\nhint: -o data/"),
        (["--split", "a=1", "-o", "two.json"], "--split: two.json: expected a directory, got a file"),
        (
            ["--format", "alpacca"],
            "--format: expected one of auto, generations, openai, messages, sharegpt, alpaca, prompt-completion, "
            "triples, text",
        ),
        (["--format", "text"], "two.json:2: text: expected text, got nothing"),
        (["none.json"], "none.json: cannot read: No such file or directory"),
        (
            ["--encoding", "utf-9"],
            "--encoding: unknown encoding 'utf-9'\nhint: names as in Python: latin-1, cp1252, ",
        ),
        (["--encoding", "hex"], "--encoding: unknown encoding 'hex'"),
        (["--delimiter", ";;"], "--delimiter: expected one character or tab, got ';;'"),
        (["--delimiter", ";"], "--delimiter: has no effect on the inputs, because of their file types"),
        (["--lines"], "--lines: has no effect on the inputs, because of their file types"),
        (["--drop-field", "none"], "--drop-field: none: expected a field of the input, got an unknown name"),
        (["--judge", "rating", "--lines"], "--lines: has no effect with --judge"),
        (["--benchmark", "rte", "--drop-field", "a"], "--drop-field: has no effect with --benchmark rte"),
    ],
)
def test_wrong_flags_and_inputs_exit_with_2_and_say_why(prep, two, words, message):
    result = prep(two, *words)
    assert result.code == 2
    assert f"sft prep: {message}" in result.err


def test_records_of_no_known_format_list_their_keys_and_the_formats(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", [{"sentence": "fine", "label": "Good"}]))
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "sft prep: a.jsonl:1: no format has the keys sentence, label\n"
        "known formats: generations, openai, messages, sharegpt, alpaca, prompt-completion, triples, text\n"
        "hint: --map question=NAME --map answer=label names the fields\n"
    )


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        ("question,agent_answer,product", "--map answer=agent_answer names the field of the answer; "),
        ("prompt,Reply", "--map completion=Reply names the field of the answer; "),
        ("prompt,answer", "--map completion=answer names the field of the answer; "),
        ("instruction,input,response_text", "--map output=response_text names the fields\n"),
        ("编号,问题,标准答案", "--map question=问题 --map answer=标准答案 names the fields\n"),
        ("user question,the answer", "--map 'question=user question' --map 'answer=the answer' names "),
        (
            "question,passage",
            "--map answer=NAME names the field of the answer; --prompts accepts rows without an answer\n",
        ),
        ("a,b", "--map NEW=OLD renames a field, for example --map instruction=question --map output=answer\n"),
    ],
)
def test_a_table_whose_answer_is_not_known_is_refused_and_the_column_is_proposed(prep, tmp_path, columns, hint):
    (tmp_path / "a.csv").write_text("\n".join([columns, *[",".join("x" * (columns.count(",") + 1))] * 30]))
    result = prep("a.csv", "-o", "rows.jsonl")
    assert (result.code, result.err.count("a.csv:")) == (2, 1)
    assert f"hint: {hint}" in result.err
    assert not (tmp_path / "rows.jsonl").exists()
    words = re.findall(r"--map (?:'([^']*)'|(\S+))", hint)
    pairs = [quoted or plain for quoted, plain in words]
    if pairs and not any("NAME" in pair or "NEW" in pair for pair in pairs):
        again = prep("a.csv", *[word for pair in pairs for word in ("--map", pair)])
        assert [[turn["role"] for turn in row["messages"]] for row in again.rows] == [["user", "assistant"]] * 30


def test_a_later_record_without_an_answer_is_an_error_of_its_line(prep, tmp_path):
    records = [{"prompt": "q", "completion": "a"}, {"prompt": "q", "chosen": "x", "rejected": "y"}]
    result = prep(write_lines(tmp_path / "a.jsonl", records))
    assert result.code == 2
    problem = "chosen: expected one answer, got a pair of preferences"
    assert f"a.jsonl:2: {problem}\n1 bad row\nhint: --map completion=chosen reads the better answer" in result.err
    assert len(prep("a.jsonl", "--on-error", "skip").rows) == 1


def test_a_conversation_without_an_answer_is_no_row_to_learn_from(prep, tmp_path):
    asks = {"messages": [{"role": "user", "content": "q"}]}
    result = prep(write_lines(tmp_path / "a.jsonl", [asks]))
    assert "a.jsonl:1: messages: expected an answer, got only a question\n" in result.err
    assert "hint: --prompts accepts rows without an answer\n" in result.err
    assert prep(write_lines(tmp_path / "b.jsonl", [{**asks, "references": ["a"]}])).code == 0


def test_a_last_turn_without_an_answer_is_counted(prep, tmp_path):
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    result = prep(write_lines(tmp_path / "a.jsonl", [{"messages": turns}, {"messages": turns[:2]}]))
    assert result.err.endswith("1  of them end with a turn without an answer; this turn is not learned\n")


def test_prompts_are_rows_that_only_ask(prep, tmp_path):
    records = [
        {"prompt": "q"},
        {"prompt": "q", "completion": "a"},
        {"question": "q", "answer": None},
        {"instruction": "do", "input": "it"},
        {"instruction": "q", "input": "", "output": ""},
        {"query": "q"},
        {"text": "q"},
        {"messages": [{"role": "user", "content": "q"}]},
    ]
    result = prep(write_lines(tmp_path / "a.jsonl", records), "--prompts", "--system", "s")
    assert result.code == 0, result.err
    asked = [[turn["content"] for turn in row["messages"]] for row in result.rows]
    assert asked == [["s", "do\nit" if number == 3 else "q"] for number in range(8)]
    assert [row.get("references") for row in result.rows] == [None, ["a"], *[None] * 6]


def test_each_record_has_its_own_format_and_a_new_one_is_said(prep, tmp_path):
    records = [
        {"instruction": "q", "output": "a"},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        {"prompt": "q", "completion": "a"},
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"text": "t"},
    ]
    result = prep(write_lines(tmp_path / "a.jsonl", records))
    assert [[turn["content"] for turn in row.get("messages", [])] for row in result.rows] == [["q", "a"]] * 4 + [[]]
    for number, name in enumerate(["messages", "prompt-completion", "sharegpt", "text"], start=2):
        assert f"format: {name} (also, from a.jsonl:{number} on)\n" in result.err
    backwards = prep(write_lines(tmp_path / "b.jsonl", records[::-1])).rows
    assert [row.get("messages") for row in backwards[::-1]] == [row.get("messages") for row in result.rows]


def test_a_bad_record_is_not_taken_for_a_good_one_of_another_format(prep, tmp_path):
    records = [{"instruction": "q", "output": "a", "text": "q a"}, {"instruction": "q", "text": "q a"}]
    assert "a.jsonl:2: output: expected text, got nothing\n" in prep(write_lines(tmp_path / "a.jsonl", records)).err
    result = prep(write_lines(tmp_path / "c.jsonl", [*records[:1], {"foo": 1}]))
    assert "c.jsonl:2: no format has the keys foo; the first record has the format alpaca\n" in result.err
    nulls = [{"instruction": "q", "output": None, "text": "q a"}]
    assert "b.jsonl:1: output: expected text, got null\n" in prep(write_lines(tmp_path / "b.jsonl", nulls)).err


def test_columns_that_no_format_reads_are_kept_and_named(prep, tmp_path):
    record = {"question": "q", "answer": "a", "passage": "p", "task": "t", "weight": 0.5}
    result = prep(write_lines(tmp_path / "a.jsonl", [record]))
    assert (
        "format: prompt-completion (detected from the first record of a.jsonl); kept without change: passage\n"
        in result.err
    )
    assert {key: result.rows[0][key] for key in ("passage", "task", "weight")} == {
        "passage": "p",
        "task": "t",
        "weight": 0.5,
    }


def test_fields_of_rows_that_came_along_are_checked_too(prep, tmp_path):
    records = [{"prompt": "q", "references": "a"}, {"prompt": "q", "choices": {"text": []}}, {"prompt": "q", "id": []}]
    result = prep(write_lines(tmp_path / "a.jsonl", records), "--on-error", "skip", "--rejects", "bad.jsonl")
    assert [row["references"] for row in result.rows] == [["a"]]
    assert [row["error"] for row in read_lines(tmp_path / "bad.jsonl")] == [
        'a.jsonl:2: choices: expected a list of strings, got {"text": []}',
        "a.jsonl:3: id: expected a string or a number, got []",
    ]


def test_the_rendered_text_beside_a_conversation_is_left_out_and_said_so(prep, tmp_path):
    records = [{"instruction": "q", "output": "a", "text": "### q\n### a"}] * 2
    result = prep(write_lines(tmp_path / "a.jsonl", records))
    assert result.code == 0
    assert "text" not in result.rows[0]
    assert (
        result.err.count(
            "the field `text` is ignored: a row can have messages or text, not both (first in a.jsonl:1)\n"
        )
        == 1
    )


def test_a_system_turn_is_added_where_there_is_none(prep, tmp_path):
    name = write_lines(tmp_path / "a.jsonl", [{"prompt": "q"}, {"prompt": "q", "system": "own"}])
    assert [row["messages"][0]["content"] for row in prep(name, "--system", "new", "--prompts").rows] == ["new", "own"]


def test_rows_for_evaluation_have_their_last_turn_as_reference(prep, two):
    assert prep(two, "--eval", "-n", "1").rows == [
        {"id": "c73d6db04b205faf", "messages": ROW_1["messages"][:1], "source": "two.json:2", "references": ["hello"]}
    ]


def test_a_row_that_cannot_be_evaluated_is_an_error(prep, tmp_path):
    records = [{"messages": [{"role": "assistant", "content": "a"}]}, {"messages": [{"role": "user", "content": "q"}]}]
    result = prep(write_lines(tmp_path / "a.jsonl", records), "--eval")
    assert result.code == 2
    assert (
        "a.jsonl:1: messages: expected a user turn before the assistant turn, got only an assistant turn\n"
        in result.err
    )
    assert "a.jsonl:2: messages: expected references, or an assistant turn at the end, got neither\n" in result.err


BROKEN = [ALPACA[0], {"instruction": "q", "output": None}, "{broken\n", ALPACA[1], {"instruction": "", "output": "x"}]
ERRORS = [
    "a.jsonl:2: output: expected text, got null",
    "a.jsonl:3: expected a JSON object, got ",
    'a.jsonl:5: instruction: expected text, got ""',
]


def test_all_bad_rows_are_named_and_no_file_is_written(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", BROKEN), "-o", "out.jsonl")
    assert result.code == 2
    for message in [*ERRORS, "3 bad rows\nhint: --on-error skip --rejects bad.jsonl continues without the bad rows\n"]:
        assert message in result.err
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_one_mistake_in_many_rows_is_one_error(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", [ALPACA[0]] + [{"instruction": "q"}] * 30))
    message = (
        "sft prep: a.jsonl:2: output: expected text, got nothing (and 29 more like it: lines 3, 4, …)\n30 bad rows\n"
    )
    assert message in result.err


def test_bad_rows_can_be_skipped_and_kept_aside(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", BROKEN), "--rejects", "bad.jsonl")
    assert (result.code, len(result.rows)) == (0, 2)
    assert result.err.endswith(
        "5  read\n2  written\n1  rejected: output\n1  rejected: not a row\n1  rejected: instruction\n"
    )
    rejects = read_lines(tmp_path / "bad.jsonl")
    assert [row["error"].startswith(error) for row, error in zip(rejects, ERRORS, strict=True)] == [True] * 3
    assert [row["row"] for row in rejects] == [BROKEN[1], None, BROKEN[4]]


def test_check_writes_nothing_and_answers_by_its_exit_code(prep, two, tmp_path):
    good, bad = prep(two, "--check"), prep(write_lines(tmp_path / "a.jsonl", BROKEN), "--check", "-o", "out.jsonl")
    assert (good.code, good.out) == (0, "")
    assert good.err.endswith("2  read\n2  good\n")
    assert (bad.code, bad.out) == (1, "")
    assert all(error in bad.err for error in [*ERRORS, "3 bad rows\n"])
    assert not (tmp_path / "out.jsonl").exists()


def test_a_dry_run_reads_everything_and_writes_nothing(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", ALPACA), "--dry-run", "-o", "data", "--split", "a=0.5,b=0.5")
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith("200  read\n200  good\n")
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_the_first_rows_can_be_shown(prep, two):
    result = prep(two, "--show", "1")
    assert len(result.rows) == 2
    assert "── id=c73d6db04b205faf  source=two.json:2\n[user] hi\n[assistant] hello\n\n2  read\n" in result.err


@pytest.mark.parametrize("content", ["", "\n\n", "[]", " "])
def test_an_input_without_rows_is_an_error(prep, tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    result = prep("a.json", "-o", "out.jsonl")
    assert (result.code, result.err) == (2, "sft prep: no rows in a.json\n")
    assert os.listdir(tmp_path) == ["a.json"]


def test_empty_stdin_is_an_error(prep):
    assert prep().err == "sft prep: no rows in <stdin>\n"


def test_limit_counts_input_records_over_all_inputs(prep, tmp_path):
    first, second = write_lines(tmp_path / "a.jsonl", BROKEN[:2]), write_lines(tmp_path / "b.jsonl", ALPACA)
    result = prep(first, second, "--limit", "4", "--on-error", "skip")
    assert [row["source"] for row in result.rows] == ["a.jsonl:1", "b.jsonl:1", "b.jsonl:2"]


def test_each_input_has_its_own_format(prep, tmp_path):
    first, second = write_lines(tmp_path / "a.jsonl", ALPACA[:1]), write_lines(tmp_path / "b.jsonl", [{"text": "raw"}])
    assert [list(row) for row in prep(first, second).rows] == [["id", "messages", "source"], ["id", "text", "source"]]


def test_a_row_keeps_its_id_where_rows_and_files_move(prep, tmp_path):
    plain = prep(write_lines(tmp_path / "a.jsonl", ALPACA[:3])).rows
    moved = prep(write_lines(tmp_path / "new.jsonl", [{"prompt": "on top"}, *ALPACA[2::-1]]), "--format", "alpaca")
    assert moved.code == 2  # the new row is of another format
    added = [{"instruction": "on top", "output": "x"}, *ALPACA[2::-1]]
    moved = prep(write_lines(tmp_path / "new.jsonl", added), "--system", "Answer.", "--eval").rows
    assert [row["id"] for row in moved[1:]] == [row["id"] for row in plain[::-1]]
    assert len({row["id"] for row in moved}) == 4


def test_a_prompt_that_comes_again_gets_a_number_and_another_task_another_id(prep, tmp_path):
    row = {"prompt": "Say something.", "completion": "a"}
    first, second = write_lines(tmp_path / "a.jsonl", [row, row]), write_lines(tmp_path / "b.jsonl", [row])
    ids = [row["id"] for row in prep(first, second).rows]
    assert ids == [ids[0], f"{ids[0]}-2", f"{ids[0]}-3"]
    assert prep(first, "--task", "chat").rows[0]["id"] not in ids


def write_parquet(path, rows, schema=None):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema and pyarrow.schema(schema)), path)
    return path.name


def test_columns_of_bytes_that_are_no_part_of_a_row_are_left_out_and_named(prep, tmp_path):
    records = [
        {"prompt": b"caf\xc3\xa9", "completion": "a", "image": b"\x00", "scan": {"bytes": b"x", "page": 1}},
        {"prompt": b"\xff", "completion": "a", "image": None, "scan": None},
    ]
    result = prep(write_parquet(tmp_path / "a.parquet", records), "--rejects", "bad.jsonl")
    assert [row["messages"][0]["content"] for row in result.rows] == ["café"]
    assert result.rows[0]["scan"] == {"page": 1}
    assert "image" not in result.rows[0]
    for name in ("image", "scan.bytes"):
        assert result.err.count(f"a.parquet: field {name} is left out: it has bytes, which JSON cannot hold\n") == 1
    error = "a.parquet:2: prompt: expected text, got bytes that are not UTF-8: invalid start byte"
    assert read_lines(tmp_path / "bad.jsonl")[0]["error"] == error
    assert "is left out" not in prep("a.parquet", "--on-error=skip", "--drop-field=image", "--drop-field=scan").err


def test_dates_and_decimals_become_text(prep, tmp_path):
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9)
    record = {
        "text": "t",
        "price": decimal.Decimal("1.50"),
        "day": moment.date(),
        "at": moment,
        "took": moment - moment,
    }
    row = prep(write_parquet(tmp_path / "a.parquet", [{**record, "all": [record]}])).rows[0]
    words = {"price": "1.50", "day": "2024-05-06", "at": "2024-05-06T07:08:09", "took": "0:00:00"}
    assert {key: row[key] for key in words} == words
    assert row["all"] == [{"text": "t", **words}]


def test_keys_that_only_other_records_have_are_no_arguments_of_a_tool(prep, tmp_path):
    def record(name, arguments):
        call = {"type": "function", "function": {"name": name, "arguments": arguments}}
        properties = {key: {"type": "string"} for key in arguments}
        tool = {"name": name, "parameters": {"type": "object", "properties": properties}}
        turns = [{"role": "user", "content": name}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        return {"messages": turns, "tools": [{"type": "function", "function": tool}], "note": None}

    records = [record("weather", {"city": "Lima", "at": {"hour": 1}}), record("add", {"a": "1", "b": "2"})]
    result = prep(write_parquet(tmp_path / "a.parquet", records))
    for row, wanted in zip(result.rows, records, strict=True):
        assert row["messages"][1] == {"role": "assistant", "tool_calls": wanted["messages"][1]["tool_calls"]}
        assert row["tools"] == wanted["tools"]
        assert row["note"] is None
    assert (
        result.err.count("a.parquet: null in messages is left out: Arrow gives all objects of a field the same keys")
        == 1
    )


def test_maps_become_objects(prep, tmp_path):
    import pyarrow

    kinds = {"text": pyarrow.string(), "sizes": pyarrow.map_(pyarrow.string(), pyarrow.int64())}
    schema = [pyarrow.field(name, kind) for name, kind in kinds.items()]
    name = write_parquet(tmp_path / "a.parquet", [{"text": "t", "sizes": [("a", 1), ("b", None)]}], schema)
    assert prep(name).rows[0]["sizes"] == {"a": 1}


def test_what_json_cannot_hold_is_a_bad_row_that_names_the_column(prep, tmp_path):
    (tmp_path / "a.json").write_text('[{"text": "t", "note": "\\ud800"}, {"text": "u", "note": "n"}]')
    result = prep("a.json", "--rejects", "bad.jsonl")
    assert [row["text"] for row in result.rows] == ["u"]
    assert "a.json:1: note: cannot be written as JSON: " in read_lines(tmp_path / "bad.jsonl")[0]["error"]
    assert "hint: --drop-field note leaves the field out\n" in prep("a.json").err
    assert len(prep("a.json", "--drop-field", "note").rows) == 2


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_ids_keep_all_their_digits(prep, tmp_path, name):
    ids = ["12345678901234567890123", "12345678901234567890124"]
    lines = [f'{{"id": {number}, "text": "t", "lines": [{{"of": {number}}}]}}' for number in ids]
    text = {"a.jsonl": "\n".join(lines), "a.json": f"[{','.join(lines)}]"}
    (tmp_path / name).write_text(text.get(name) or f"id,text\n{ids[0]},t\n{ids[1]},t\n")
    result = prep(name)
    assert [row["id"] for row in result.rows] == ids
    if name != "a.csv":
        assert [row["lines"][0]["of"] for row in result.rows] == [*map(int, ids)]


def test_an_id_given_twice_is_told(prep, tmp_path):
    records = [{"id": name, "text": f"t{place}"} for place, name in enumerate("abcb")]
    write_lines(tmp_path / "a.jsonl", records)
    write_lines(tmp_path / "b.jsonl", records[:1])
    result = prep("a.jsonl", "b.jsonl")
    assert (result.code, len(result.rows)) == (0, 5)
    assert 'sft prep: a.jsonl:4: id "b" occurs twice, and others may too: ' in result.err
    assert result.err.count("hint: --drop-field id gives each row a new id\n") == 1
    assert "occurs twice" in prep("a.jsonl", "b.jsonl", "-q").err
    assert "occurs twice" not in prep("b.jsonl").err
    assert len({row["id"] for row in prep("a.jsonl", "b.jsonl", "--drop-field", "id").rows}) == 5


def test_a_part_of_a_split_without_rows_is_an_error(prep, tmp_path):
    name = write_lines(tmp_path / "a.jsonl", ALPACA[:2])
    result = prep(name, "--split", "train=0.98,test=0.02", "-o", "data")
    assert result.code == 2
    assert "sft prep: --split: test: no rows: all 2 rows are in other parts\nhint: use more rows, " in result.err
    assert not list(tmp_path.glob("data/*"))


def test_an_output_without_rows_is_an_error_but_the_rejects_are_kept(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", BROKEN[1:3]), "--rejects", "bad.jsonl", "-o", "rows.jsonl")
    assert result.code == 2
    assert "a.jsonl:1: output: expected text, got null\n" in result.err
    assert "no rows left: 2 bad rows" in result.err
    assert not (tmp_path / "rows.jsonl").exists()
    assert len(read_lines(tmp_path / "bad.jsonl")) == 2


def test_to_skip_all_rows_is_no_advice(prep, tmp_path):
    assert "hint" not in prep(write_lines(tmp_path / "a.jsonl", BROKEN[1:3])).err
    assert "hint: --on-error skip" in prep(write_lines(tmp_path / "a.jsonl", BROKEN[:2])).err


def test_a_file_without_rows_beside_others_is_said(prep, tmp_path):
    names = [write_lines(tmp_path / name, rows) for name, rows in (("a.jsonl", ALPACA[:1]), ("b.jsonl", []))]
    result = prep(*names, "-q")
    assert (result.code, result.err, len(result.rows)) == (0, "sft prep: b.jsonl: no rows in this file\n", 1)


def test_a_folder_is_its_data_files_in_order_and_the_others_are_named(prep, tmp_path):
    (tmp_path / "in" / "b").mkdir(parents=True)
    (tmp_path / "in" / ".git").mkdir()
    for name in ("b/c.txt", "a.md", "z.pdf", ".git/x.txt", "rows.jsonl.meta.json"):
        (tmp_path / "in" / name).write_text(f"{name}\n")
    write_lines(tmp_path / "in" / "a.jsonl", ALPACA[:1])
    result = prep("in")
    assert [row["source"] for row in result.rows] == ["in/a.jsonl:1", "in/a.md:1", "in/b/c.txt:1"]
    assert "in: 3 files of other types left out: .git/x.txt, rows.jsonl.meta.json, z.pdf\n" in result.err
    for flag in ("-o", "--rejects"):
        assert (
            "in/x.jsonl: is inside the input in, and would be read at the next run\n"
            in prep("in", flag, "in/x.jsonl").err
        )
    (tmp_path / "none").mkdir()
    assert "none: no file of a known type\nhint: known endings: .jsonl, " in prep("none").err


def test_stdin_of_another_kind_is_named(prep):
    table = "question;answer\nWhy, and how?;So.\n".encode("utf-16")
    result = prep("--input-kind", "csv", stdin=table)
    assert [turn["content"] for turn in result.rows[0]["messages"]] == ["Why, and how?", "So."]
    assert "<stdin>: fields are separated by semicolons (--delimiter CHAR names another)\n" in result.err
    assert "hint: --input-kind names another file type, for example --input-kind csv\n" in prep(stdin=b"a,b\n1,2\n").err


def test_parquet_comes_through_a_pipe_too(prep, tmp_path):
    write_parquet(tmp_path / "a.parquet", [{"text": "t"}])
    data = (tmp_path / "a.parquet").read_bytes()
    assert prep("--input-kind", "parquet", stdin=data).rows[0]["text"] == "t"
    assert "for example --input-kind parquet\n" in prep(stdin=data).err
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(data))
    assert prep("a.parquet.gz").rows[0]["text"] == "t"


def test_each_line_of_a_text_file_can_be_a_prompt(prep, tmp_path):
    (tmp_path / "q.txt").write_text("Why?\n\nHow?\n")
    assert [row["messages"] for row in prep("q.txt", "--prompts").rows] == [
        [{"role": "user", "content": "Why?"}],
        [{"role": "user", "content": "How?"}],
    ]


def test_bytes_of_another_encoding_name_the_flag(prep, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "e"}\n' + b'{"text": "caf\xe9"}\n' * 30)
    result = prep("a.jsonl")
    assert (result.code, result.err.count("sft prep: a.jsonl:"), result.err.count("in UTF-8,")) == (2, 1, 1)
    assert "a.jsonl:2: expected a JSON object in UTF-8, got byte 0xe9 at 13: " in result.err
    assert "hint: sft prep --encoding NAME reads another encoding, such as latin-1, " in result.err
    assert [row["text"] for row in prep("a.jsonl", "--encoding", "latin-1").rows] == ["e", *["café"] * 30]


def test_a_split_writes_each_part_whole_with_its_manifest(prep, tmp_path):
    name = write_lines(tmp_path / "a.jsonl", ALPACA)
    result = prep(name, "--split", "train=0.8,test=0.2", "-o", "data", "--seed", "3")
    parts = {part: read_lines(tmp_path / "data" / f"{part}.jsonl") for part in ("train", "test")}
    assert (result.code, result.out) == (0, "")
    assert f"{len(parts['train'])}  written to train\n" in result.err
    assert sorted(row["source"] for rows in parts.values() for row in rows) == sorted(
        f"a.jsonl:{n}" for n in range(1, 201)
    )
    assert sorted(os.listdir(tmp_path / "data")) == [
        "manifest.json",
        "test.jsonl",
        "test.jsonl.meta.json",
        "train.jsonl",
        "train.jsonl.meta.json",
    ]
    again = prep(name, "--split", "train=0.8,test=0.2", "-o", "data", "--seed", "3", "--skip-if-current")
    assert "data is up to date" in again.err
    assert "already exists" in prep(name, "--split", "train=0.8,test=0.2", "-o", "data").err


def test_a_split_with_bad_rows_writes_no_part(prep, tmp_path):
    result = prep(write_lines(tmp_path / "a.jsonl", BROKEN), "--split", "train=0.8,test=0.2", "-o", "data")
    assert result.code == 2
    assert not list(tmp_path.glob("data/*"))


def test_a_split_is_the_same_for_rows_and_for_evaluation_rows(prep, tmp_path):
    name = write_lines(tmp_path / "a.jsonl", ALPACA)
    prep(name, "--split", "train=0.5,test=0.5", "-o", "plain")
    prep(name, "--split", "train=0.5,test=0.5", "-o", "eval", "--eval")
    for part in ("train", "test"):
        plain, evaluation = (read_lines(tmp_path / folder / f"{part}.jsonl") for folder in ("plain", "eval"))
        assert [row["id"] for row in plain] == [row["id"] for row in evaluation]


RECORDS = st.one_of(
    st.fixed_dictionaries({"instruction": st.text(max_size=4), "output": st.text(max_size=4)}),
    st.just({"instruction": "q"}),
    st.just({"other": 1}),
)


@pytest.mark.slow
@given(st.lists(RECORDS, min_size=1, max_size=20), st.randoms())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_is_in_one_output_or_in_the_rejects_whatever_the_order(prep, tmp_path, records, shuffler):
    # Enough good rows that no part is empty.
    named = [{**record, "id": str(number)} for number, record in enumerate(ALPACA[:30] + records)]
    parts = []
    for _ in range(2):
        name = write_lines(tmp_path / "a.jsonl", named)
        words = ("--format", "alpaca", "--rejects", "bad.jsonl", "--split", "a=0.5,b=0.5", "-o", "data", "--force")
        assert prep(name, *words).code == 0
        parts.append({part: {row["id"] for row in read_lines(tmp_path / f"data/{part}.jsonl")} for part in "ab"})
        bad = [row["row"]["id"] for row in read_lines(tmp_path / "bad.jsonl")]
        assert sorted([*parts[-1]["a"], *parts[-1]["b"], *bad]) == sorted(row["id"] for row in named)
        shuffler.shuffle(named)
    assert parts[0] == parts[1]


def test_the_first_row_comes_out_before_the_last_goes_in():
    line = json.dumps({"prompt": "x" * 9000, "completion": "y"}).encode() + b"\n"
    command = [sys.executable, "-m", "sft_cli", "prep", "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(4):
            process.stdin.write(line)
        process.stdin.flush()
        assert b'"source":"<stdin>:1"' in os.read(process.stdout.fileno(), 1 << 16)
        process.stdin.close()
        process.stdout.read()
    assert process.returncode == 0


def test_a_reader_that_leaves_is_no_error(tmp_path):
    name = tmp_path / write_lines(tmp_path / "a.jsonl", ALPACA * 20)
    command = f"{sys.executable} -m sft_cli prep {name} -q | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


def test_help_starts_with_an_example_and_loads_no_heavy_library():
    code = (
        "import sys\nfrom sft_cli.cli import build_command\n"
        "try: build_command('prep')(args=['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'datasets', 'numpy', 'pyarrow', 'rich') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "Example: sft prep alpaca.json -o train.jsonl" in out
    assert out.endswith("[]\n")


def test_the_parts_of_a_split_have_the_ending_of_their_format_and_whole_conversations(sft, here):
    import pyarrow.parquet as parquet

    turns = [{"role": "assistant" if place % 2 else "user", "content": f"{place}"} for place in range(6)]
    rows = [
        {"id": f"r{number}", "messages": [{"role": "system", "content": f"{number}"}, *turns]} for number in range(20)
    ]
    (here / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("prep", "rows.jsonl", "--expand-turns", "--split", "a=0.5,b=0.5", "--to", "parquet", "-o", "parts")
    assert result.code == 0, result.err
    names = {part: parquet.read_table(here / "parts" / f"{part}.parquet").column("id").to_pylist() for part in "ab"}
    assert sum(map(len, names.values())) == 60
    of = {part: {name.partition("-")[0] for name in ids} for part, ids in names.items()}
    assert of["a"]
    assert of["b"]
    assert not of["a"] & of["b"]
