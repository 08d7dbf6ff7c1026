"""Formats of other tools: what `sft prep --to` writes, `sft prep` reads as the same turns."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sft_cli.data.arrow import Cleaner, read_parquet
from sft_cli.data.convert import Converter
from sft_cli.data.writers import WRITERS
from sft_cli.data.writers import parquet as parquet_writer
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import as_line

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
NUMBERS = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9)
JSON = st.recursive(
    st.none() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": st.sampled_from(["f", "g.h"]), "arguments": st.dictionaries(WORDS, JSON, max_size=2)}
            ),
        },
        optional={"id": st.sampled_from(["c1", "c2"])},
    ),
    min_size=1,
    max_size=2,
)
TOOLS = st.just([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}])
WEIGHTS = st.sampled_from([0.0, 1.0, 0.5])


def turn(role: str) -> st.SearchStrategy[dict[str, Any]]:
    if role == "tool":
        return st.fixed_dictionaries({"role": st.just("tool"), "content": WORDS}, optional={"tool_call_id": WORDS})
    if role != "assistant":
        return st.fixed_dictionaries({"role": st.just(role), "content": WORDS})
    extras = {"weight": WEIGHTS, "reasoning_content": WORDS}
    said = st.fixed_dictionaries({"role": st.just(role), "content": WORDS}, optional=extras)
    called = st.fixed_dictionaries(
        {"role": st.just(role), "content": st.none() | st.just("") | WORDS, "tool_calls": CALLS}, optional=extras
    )
    return st.one_of(said, said, called)


SAID = st.builds(lambda text: {"role": "assistant", "content": text}, WORDS)
PAIR = st.tuples(turn("user"), turn("assistant"))
CONVERSATIONS = st.one_of(
    st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=5).flatmap(
        lambda roles: st.tuples(*map(turn, roles)).map(list)
    ),
    st.tuples(st.lists(turn("system"), max_size=1), st.lists(PAIR, min_size=1, max_size=3)).map(
        lambda parts: [*parts[0], *(each for pair in parts[1] for each in pair)]
    ),
    st.lists(st.tuples(turn("user"), SAID), min_size=1, max_size=3).map(
        lambda pairs: [each for pair in pairs for each in pair]
    ),
)
ROWS = st.fixed_dictionaries(
    {"messages": CONVERSATIONS},
    optional={"tools": TOOLS, "task": WORDS, "weight": WEIGHTS, "region": WORDS, "size": st.integers(0, 9)},
)


def read_again(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    converter = Converter()
    rows = []
    for number, record in enumerate(records, 1):
        with contextlib.suppress(FieldError):  # a row without an answer
            rows.append(converter.row(record, f"x:{number}"))
    return rows


def is_answered(row: dict[str, Any]) -> bool:
    return any(message["role"] == "assistant" for message in row["messages"])


def plain_turns(row: dict[str, Any], without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The turns, where no content is null, and without some fields of turns and calls."""
    turns = []
    for message in row["messages"]:
        bare = {key: value for key, value in message.items() if key not in without and value is not None}
        bare["content"] = message.get("content") or ""
        if "tool_calls" in message:
            bare["tool_calls"] = [
                {key: value for key, value in call.items() if key not in without} for call in message["tool_calls"]
            ]
        turns.append(bare)
    return turns


# What each format loses of turns; docs/other-tools.md has the same.
LOST = {"alpaca": (), "sharegpt": ("id", "tool_call_id"), "messages": (), "openai": ("id", "tool_call_id")}


@pytest.mark.parametrize("name", LOST)
@settings(max_examples=150, deadline=None)
@given(row=ROWS)
def test_a_row_comes_back_with_the_same_turns_or_is_refused_with_its_field(name: str, row: dict[str, Any]) -> None:
    try:
        record, left_out = WRITERS.load(name)().record({"id": "r", **row})
    except FieldError as error:
        refused = error.field
    else:
        refused = ""
    assert refused == "" or refused.startswith(("messages[", "weight"))
    if refused or not is_answered(row):
        return
    again = read_again([json.loads(as_line(record))])
    lost = LOST[name]
    weights = {"weight"} if name in ("alpaca", "sharegpt") else set()  # a weight of 1
    assert plain_turns(again[0], (*lost, *weights)) == plain_turns(row, (*lost, *weights))
    assert again[0].get("tools") == row.get("tools")
    if name == "openai":
        assert record.keys() <= {"messages", "tools"}
        assert any("task" in what for what in left_out) == ("task" in row)
    else:
        for key in ("task", "weight", "region", "size"):
            assert again[0].get(key) == row.get(key)


def parquet_file(path: Path, rows: list[dict[str, Any]]) -> list[str]:
    told: list[str] = []
    writer = WRITERS.load("parquet")()
    with open(path, "w", encoding="utf-8") as out, writer.sink(out, told.append) as lines:
        for row in rows:
            lines.write(as_line(writer.record(row).record))
    return told


def records_of(path: Path) -> list[dict[str, Any]]:
    cleaner = Cleaner(str(path), lambda name: True, Counter(), lambda text: None)
    return [record for _, record in read_parquet(str(path), cleaner) if isinstance(record, dict)]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS.filter(lambda row: is_answered(row)), min_size=1, max_size=4))
def test_parquet_keeps_all_turns_of_rows_with_different_fields(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    parquet_file(path, [{"id": str(place), **row} for place, row in enumerate(rows)])
    again = read_again(records_of(path))
    assert [plain_turns(row) for row in again] == [plain_turns(row) for row in rows]
    for key in ("task", "weight", "region", "size", "tools"):
        assert [row.get(key) for row in again] == [row.get(key) for row in rows]


def test_parquet_has_nested_columns_and_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as parquet

    monkeypatch.setattr(parquet_writer, "ROWS_OF_GROUP", 2)
    rows = [
        {"id": str(place), "messages": [{"role": "user", "content": "q"}], "references": ["a"], "more": {"n": place}}
        for place in range(5)
    ]
    told = parquet_file(tmp_path / "rows.parquet", rows)
    file = parquet.ParquetFile(tmp_path / "rows.parquet")
    assert file.num_row_groups == 3
    assert str(file.schema_arrow.field("messages").type).startswith("list<")
    assert file.read().to_pylist()[4] == {**rows[4], "more": '{"n": 4}'}
    assert told == ["--to parquet: written as JSON text: more"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 2.5], [1.0, None, 2.5]),
        ([1, "1"], ["1", '"1"']),
        ([True, 1], ["true", "1"]),
        ([2**60, 1], [2**60, 1]),
        ([2**60, 0.5], [str(2**60), "0.5"]),
        ([2**70, 1], [str(2**70), "1"]),
        ([[], ["a"]], [[], ["a"]]),
        ([["a", None]], ['["a", null]']),
        ([["a"], [{"b": 1}]], ['["a"]', '[{"b": 1}]']),
        ([None, None], [None, None]),
    ],
)
def test_a_field_with_values_of_several_types_has_one_that_holds_them(
    tmp_path: Path, values: list[Any], expected: list[Any]
) -> None:
    import pyarrow.parquet as parquet

    parquet_file(tmp_path / "rows.parquet", [{"text": "t", "extra": value} for value in values])
    assert parquet.read_table(tmp_path / "rows.parquet").column("extra").to_pylist() == expected


ASKED = {"role": "user", "content": "q"}
ANSWER = {"role": "assistant", "content": "a"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}],
}


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("alpaca", {"text": "t"}, "text: expected messages for alpaca, got raw text"),
        ("alpaca", {"messages": [ASKED, CALL]}, "messages[1].tool_calls: expected no such field"),
        (
            "alpaca",
            {"messages": [ASKED, {"role": "tool", "content": "1"}, ANSWER]},
            "messages[1].role: expected no tool",
        ),
        (
            "alpaca",
            {"messages": [ASKED, ASKED, ANSWER]},
            "messages[1].role: expected pairs of a user turn and an assist",
        ),
        (
            "alpaca",
            {"messages": [ASKED, ANSWER, ASKED]},
            "messages[2].role: expected pairs of a user turn and an assist",
        ),
        ("alpaca", {"messages": [ANSWER]}, "messages[0].role: expected pairs"),
        (
            "alpaca",
            {"messages": [{"role": "user", "content": " "}, ANSWER]},
            'messages[0].content: expected text, got " "',
        ),
        ("alpaca", {"messages": [ASKED, {**ANSWER, "weight": 0}]}, "messages[1].weight: expected 1, because alpaca"),
        ("alpaca", {"messages": [ASKED, {**ANSWER, "thinking": "t"}]}, "messages[1].thinking: expected no such field"),
        (
            "alpaca",
            {"messages": [ASKED, ANSWER], "input": 1},
            "input: expected no such field, because alpaca has its own",
        ),
        (
            "sharegpt",
            {"messages": [ASKED, {**CALL, "content": "I look."}]},
            "messages[1].content: expected no text beside",
        ),
        ("sharegpt", {"messages": [ASKED, {**ANSWER, "weight": 0}]}, "messages[1].weight: expected 1"),
        ("sharegpt", {"messages": [{**ASKED, "name": "Jo"}, ANSWER]}, "messages[0].name: expected no such field"),
        ("messages", {"text": "t"}, "text: expected messages for messages, got raw text"),
        ("openai", {"messages": [ASKED]}, "messages[0].role: expected an assistant turn at the end for openai"),
        ("openai", {"messages": [ASKED, {**ANSWER, "weight": 0.5}]}, "messages[1].weight: expected 0 or 1 for openai"),
        (
            "openai",
            {"messages": [ASKED, ANSWER], "weight": 2},
            "weight: expected 1, because openai has no weight of a row",
        ),
        (
            "openai",
            {"messages": [{"role": "tool", "content": "1"}, ANSWER]},
            "messages[0].role: expected a tool call before",
        ),
        (
            "openai",
            {"messages": [ASKED, {**ANSWER, "reasoning": "t"}]},
            "messages[1].reasoning: expected no such field",
        ),
    ],
)
def test_what_a_format_cannot_hold_is_refused_by_its_field(name: str, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(FieldError) as caught:
        WRITERS.load(name)().record({"id": "r", **row})
    assert str(caught.value).startswith(problem)


def test_openai_gets_ids_for_calls_and_their_results() -> None:
    result = {"role": "tool", "content": "1"}
    record, left_out = WRITERS.load("openai")().record({"messages": [ASKED, CALL, result, ANSWER]})
    call = record["messages"][1]["tool_calls"][0]
    assert call == {"type": "function", "function": {"name": "f", "arguments": "{}"}, "id": "call_1_0"}
    assert record["messages"][2]["tool_call_id"] == "call_1_0"
    assert "ids of tool calls added" in left_out
