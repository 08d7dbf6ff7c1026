"""JSON lines: whatever is in the file, each line is an object or a named mistake, with its physical number."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import as_line, read_jsonl


def read(path: Path) -> list[tuple[int, Any]]:
    return [(number, str(row) if isinstance(row, FieldError) else row) for number, row in read_jsonl(str(path))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def test_lines_are_numbered_as_an_editor_numbers_them(file: Path) -> None:
    file.write_bytes(b'\n{"a": 1}\n\n   \r\n{"a": 2}\r\n{"a": 3}')
    assert read(file) == [(2, {"a": 1}), (5, {"a": 2}), (6, {"a": 3})]


def test_unusual_line_separators_stay_inside_their_string(file: Path) -> None:
    file.write_text('{"a": "x\u2028y\x85z\x0c"}\n{"a": 2}\n'.replace("\x0c", "\\f"), encoding="utf-8", newline="")
    assert read(file) == [(1, {"a": "x\u2028y\x85z\x0c"}), (2, {"a": 2})]


def test_a_byte_order_mark_is_no_part_of_the_first_line(file: Path) -> None:
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\n')
    assert read(file) == [(1, {"a": 1})]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[1]", "expected a JSON object, got list"),
        (b'"text"', "expected a JSON object, got str"),
        (b"null", "expected a JSON object, got "),
        (b"{broken", "expected a JSON object, got invalid json"),
        (b'{"a": NaN}', "expected a JSON object, got invalid json"),
        (b'{"a": "\xff"}', "expected a JSON object in UTF-8, got "),
        (b'{"a": "\xc4', "expected a JSON object in UTF-8, got "),
    ],
)
def test_a_line_that_is_no_object_is_named_and_the_rest_is_read(file: Path, line: bytes, problem: str) -> None:
    file.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    first, second, third = read(file)
    assert (first, third) == ((1, {"a": 1}), (3, {"a": 3}))
    assert second[0] == 2
    assert second[1].startswith(problem)
    assert "\n" not in second[1]
    assert len(second[1]) < 200


TEXT = "".join(json.dumps({"n": n, "text": "你好" * n}, ensure_ascii=False) + "\n" for n in range(100)).encode()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_compression_is_known_by_the_first_bytes_not_by_the_name(file: Path, pack: Any) -> None:
    file.write_bytes(pack(TEXT))
    assert [row["n"] for _, row in read(file)] == list(range(100))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_several_packed_parts_in_one_file_are_all_read(file: Path, pack: Any) -> None:
    file.write_bytes(pack(b'{"a": 1}\n') + pack(b'{"a": 2}\n'))
    assert read(file) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_damaged_file_is_an_error_and_not_fewer_rows(file: Path, pack: Any, damage: str) -> None:
    packed = pack(TEXT)
    half = len(packed) // 2
    file.write_bytes(packed[:half] if damage == "cut" else packed[:half] + bytes(8) + packed[half + 8 :])
    with pytest.raises(UserError, match=r"a\.jsonl:\d+: cannot read: "):
        read(file)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_has_no_rows(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read(file) == []


def test_a_file_that_cannot_be_read_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: cannot read: No such file"):
        read(tmp_path / "none")
    with pytest.raises(UserError, match="cannot read: Is a directory"):
        read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), JSON), max_size=5))
def test_what_is_written_is_read_back_the_same_and_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    file = tmp_path_factory.mktemp("jsonl") / "a"
    lines = [as_line(row) for row in rows]
    assert all(line.count("\n") == 1 for line in lines)
    file.write_text("".join(lines), encoding="utf-8", newline="")
    again = [row for _, row in read(file)]
    assert again == rows
    assert [list(row) for row in again] == [list(row) for row in rows]


@pytest.mark.parametrize(
    "number",
    [
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890123",
        "1e25",
        "-1e300",
    ],
)
def test_a_number_keeps_its_digits_wherever_it_stands(file: Path, number: str) -> None:
    file.write_text(f'{{"id": {number}, "a": [{{"b": {number}}}, 1.5]}}\n', encoding="utf-8")
    [(_, row)] = read(file)
    assert row == {"id": json.loads(number), "a": [{"b": json.loads(number)}, 1.5]}
    assert json.loads(as_line(row)) == row


def test_an_integer_of_thousands_of_digits_is_a_bad_line_and_no_crash(file: Path) -> None:
    file.write_bytes(b'{"a": ' + b"9" * 5000 + b"}\n")
    [(_, problem)] = read(file)
    assert problem.startswith("expected a JSON object, got ")


def test_a_number_that_is_not_finite_becomes_null() -> None:
    assert as_line({"a": float("nan"), "b": float("inf")}) == '{"a":null,"b":null}\n'
