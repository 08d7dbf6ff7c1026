"""Whatever is in a file, each of its lines is written, rejected with its reason, or refused with the file's name."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import spoiler
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from spoiled_runs import Account, plan, put_through

from sft_cli.data.convert import Converter
from sft_cli.data.formats import FORMATS
from sft_cli.data.rows import check_row
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import as_line, loads, read_jsonl
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import printable
from sft_cli.scoring.generations import check_generation

FILES, LINES = 100, 25
FAST_FILES = 35  # the others are slow tests


@pytest.mark.parametrize(
    ("kind", "ending", "seed"),
    [pytest.param(*each, marks=[pytest.mark.slow] if each[2] >= FAST_FILES else []) for each in plan(FILES)],
)
def test_no_spoiled_line_is_lost_and_none_ends_in_a_crash(tmp_path: Path, kind: str, ending: str, seed: int) -> None:
    account = Account()
    (tmp_path / "work").mkdir()
    put_through(account, spoiler.write_spoiled(tmp_path, kind, ending, seed, LINES), kind, seed, tmp_path / "work")
    assert account.problems == []
    assert (account.lost, account.crashes) == (0, 0)


# What JSON, Parquet and the hub can hand over, and more.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4)
    | st.sampled_from(["[" * 100_000, "\ud800", 10**400, "user", "from", "x" * 100_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["role", "content", "from", "value", "text", "type", "tool_calls", ""]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip
KEYS = (
    "messages",
    "conversations",
    "instruction",
    "input",
    "output",
    "prompt",
    "completion",
    "text",
    "history",
    "tools",
)
KEYS += ("system", "id", "weight", "references", "choices", "answer", "judge", "reference_logprobs", "sample", "task")


@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING), st.sampled_from(["auto", *FORMATS]))
def test_a_record_of_any_values_becomes_a_row_or_a_named_mistake(record: dict[str, Any], name: str) -> None:
    sink, said = io.StringIO(), list[str]()
    for read in (
        lambda: as_line(Converter(name, system="s").row(record, "a:1")),
        lambda: check_row(record),
        lambda: check_generation(record),
    ):
        try:
            read()
        except FieldError as error:
            said.append(str(error))
            Ledger("skip", sink).reject("a:1", error, record)
        except UserError as error:  # one of a whole file
            said.append(str(error))
    for message in said:
        assert all(len(line) < 800 and printable(line) == line for line in message.split("\n"))
    assert all(json.loads(line)["error"] for line in sink.getvalue().split("\n") if line)


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [300, 20_000])
def test_a_message_shows_the_beginning_of_what_no_json_can_hold(depth: int) -> None:
    assert shown(nested(1, depth)) == "[" * 59 + "…"


@given(ANYTHING)
def test_a_message_shows_any_value_in_one_short_line(value: Any) -> None:
    text = shown(value)
    assert 0 < len(text) <= 60
    assert text.encode("utf-8").decode().count("\n") == 0


@pytest.mark.parametrize("hidden", ["\x1b[31m", "\x00", "\u202e", "\ud800", "\r", "\x9b2J"])
def test_what_a_terminal_would_obey_is_shown_as_its_escape(hidden: str) -> None:
    assert str(UserError(f"a.jsonl:1: {hidden}\nhint: x")).split("\n")[0].startswith("a.jsonl:1: \\")
    assert hidden not in str(FieldError(hidden, f"got {hidden}"))
    assert str(UserError("全角　空白 é 💡")) == "全角　空白 é 💡"


@pytest.mark.parametrize("depth", [201, 300, 1024, 1025, 100_000])
def test_a_line_that_is_nested_too_deeply_is_a_bad_row(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "a.jsonl"
    deep = '{"text": "a", "more": ' + "[" * depth + "]" * depth + "}"
    path.write_text('{"text": "a"}\n' + deep + '\n{"text": "b"}\n')
    first, (number, error), third = read_jsonl(str(path))
    assert (first, third) == ((1, {"text": "a"}), (3, {"text": "b"}))
    assert (number, isinstance(error, FieldError)) == (2, True)


def test_what_is_read_can_be_written_down_to_the_deepest_level() -> None:
    row = loads('{"a": ' + "[" * 199 + "]" * 199 + "}")
    assert orjson.loads(as_line({"around": {"it": row}})) == {"around": {"it": row}}


def test_whole_numbers_keep_all_their_digits() -> None:
    line = '{"id":12345678901234567890123,"n":-98765432109876543210,"x":0.1}\n'
    assert as_line(loads(line)) == line


BOMBS = [bytes, gzip.compress, zstandard.compress]


@pytest.mark.parametrize("pack", BOMBS, ids=["plain", "gzip", "zstd"])
def test_a_line_that_is_too_long_is_a_bad_row_and_is_never_held(
    sft: Any, here: Path, pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.jsonl").write_bytes(pack(b'{"text":"before"}\n' + bytes(300_000) + b'\n{"text":"after"}\n'))
    result = sft("prep", "a.jsonl", "--max-line-bytes", 1000, "--rejects", "bad.jsonl")
    assert [row["text"] for row in result.rows] == ["before", "after"]
    assert json.loads(Path("bad.jsonl").read_text())["error"] == (
        "a.jsonl:2: expected at most 1,000 bytes, got more; --max-line-bytes N allows longer ones"
    )
    allowed = sft("prep", "a.jsonl", "--max-line-bytes", 400_000)
    assert "a.jsonl:2: expected a JSON object, got invalid json" in allowed.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"text\nfirst\n" + b"x" * 5000 + b"\n"),
        ("a.csv", b'text\nfirst\n"' + b"x\n" * 5000 + b'"\n'),
        ("a.json", b'[{"text": "first"},\n{"text": "' + b"x" * 600_000 + b'"}]'),
        ("a.json", b'{"text": "first",\n' + b",\n".join(b'"k%d": 1' % n for n in range(60_000)) + b"}"),
    ],
)
def test_a_record_of_another_kind_of_file_that_is_too_long_is_refused_by_line(
    sft: Any, here: Path, name: str, content: bytes
) -> None:
    Path(name).write_bytes(content)
    result = sft("prep", name, "--max-line-bytes", 1000)
    assert result.code == 2
    assert f"sft prep: {name}:" in result.err
    assert "--max-line-bytes" in result.err
