"""JSON and CSV at their edges: what is valid is read with its value, what is not ends in one line, nothing crashes.

The files are made here, of the kinds of two published suites. `SFT_FORMAT_FILES=FOLDER` runs the suites themselves,
from `FOLDER/json-test-suite` (nst/JSONTestSuite) and `FOLDER/csv-spectrum` (maxogden/csv-spectrum).
"""

import functools
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sft_cli.data.json_stream import split_json
from sft_cli.data.readers import read_records

FOLDER = os.environ.get("SFT_FORMAT_FILES")
NESTED = b"[" * 500 + b"]" * 500

VALID = {
    "array_arrays_with_spaces": b"[[]   ]",
    "array_empty": b"[]",
    "array_heterogeneous": b'[null, 1, "1", {}]',
    "array_leading_space": b" [1]",
    "array_trailing_newline": b'["a"]\n',
    "number_exponents": b"[0e1, 0e+1, 1E22, 1E-2, 123e45, -0, 20e1, 1.23456e-78]",
    "object_duplicated_key": b'{"a":"b","a":"c"}',
    "object_empty": b"{}",
    "object_empty_key": b'{"":0}',
    "object_null_in_key": b'{"foo\\u0000bar": 42}',
    "object_newlines": b'{\n"a": "b"\n}',
    "string_escapes": b'["\\"\\\\\\/\\b\\f\\n\\r\\t\\u0012"]',
    "string_surrogate_pair": b'["\\uD801\\udc37 \\ud83d\\ude39"]',
    "string_utf8": '["€𝄞 \u2028\u2029\x7f\U0010ffff"]'.encode(),
    "structure_lonely_string": b'"asd"',
    "structure_lonely_true": b"true",
    "structure_whitespace_array": b" [] ",
}
INVALID = {
    "array_comma_after_close": b'[""],',
    "array_extra_comma": b'["",]',
    "array_unclosed": b'["a",\n4\n,1,',
    "array_inner_not_closed": b"[3[4]]",
    "array_star_inside": b"[*]",
    "number_hex": b"[0x1]",
    "number_infinity": b"[Infinity]",
    "number_nan": b"[NaN]",
    "number_plus": b"[+1]",
    "number_leading_zero": b"[012]",
    "number_point": b"[1.]",
    "object_comma_for_colon": b'{"x", null}',
    "object_no_quotes": b"{a: 1}",
    "object_single_quotes": b"{'a':0}",
    "object_trailing_comma": b'{"id":0,}',
    "object_trailing_comment": b'{"a":"b"}/**/',
    "object_garbage_at_end": b'{"a":"a" 123}',
    "string_bad_escape": b'["\\x00"]',
    "string_incomplete_surrogate": b'["\\uD834\\uDd"]',
    "string_newline": b'["new\nline"]',
    "string_tab": b'["\t"]',
    "string_single_quote": b"['single quote']",
    "structure_capital_true": b"[True]",
    "structure_no_data": b"",
    "structure_only_bom": b"\xef\xbb\xbf",
    "structure_angle_brackets": b"<null>",
    "structure_end_array": b"]",
    "structure_open_object": b"{",
    "structure_unclosed_string": b'["asd]',
    "structure_double_array": b"[][]",
    "structure_100000_opening_arrays": b"[" * 100_000,
    "structure_u+2060": "[\u2060]".encode(),
}
EITHER = {
    "number_too_big": b"[" + b"9" * 400 + b"]",
    "number_overflow": b"[123123e100000, -1e+9999]",
    "object_lone_surrogate": b'{"\\uDFAA":0}',
    "string_lone_surrogate": b'["\\uDADA"]',
    "string_not_utf8": b'["\xe0\xff"]',
    "string_utf16_mark": b'\xff\xfe[\x00"\x00\xe9\x00"\x00]\x00',
    "structure_500_nested_arrays": NESTED,
    "structure_bom_empty_object": b"\xef\xbb\xbf{}",
}


def files_of(prefix, made):
    """The files to read, by their names."""
    if not FOLDER:
        return made
    found = Path(FOLDER, "json-test-suite").glob(f"{prefix}_*.json")
    return {path.stem[2:]: path.read_bytes() for path in sorted(found)}


Y, N, EITHER_WAY = files_of("y", VALID), files_of("n", INVALID), files_of("i", EITHER)


@pytest.fixture
def prep(sft, here):
    return functools.partial(sft, "prep")


@pytest.mark.parametrize("name", Y)
def test_valid_json_is_read_with_its_value(name):
    values = [value for _, value in split_json(io.BytesIO(b'[{"value":' + Y[name] + b"}]"), name)]
    assert values == [{"value": json.loads(Y[name])}]


@pytest.mark.parametrize("name", Y)
def test_valid_json_is_a_record_or_the_line_says_what_it_is(prep, tmp_path, name):
    (tmp_path / "a.json").write_bytes(Y[name])
    result = prep("a.json", "--check")
    assert result.code in (1, 2)  # no value of the suites is a row
    assert "not JSON" not in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("name", N)
def test_invalid_json_ends_with_one_clear_line(prep, tmp_path, name, ending):
    (tmp_path / f"a.{ending}").write_bytes(N[name])
    result = prep(f"a.{ending}", "-o", "rows.jsonl")
    assert result.code == 2
    assert not (tmp_path / "rows.jsonl").exists()
    lines = [
        line for line in result.err.splitlines() if not line.startswith(("hint:", "  ", "format:", "sft prep: hint"))
    ]
    assert lines[0].startswith(("sft prep: a.", "sft prep: no rows in a."))
    assert all(line.startswith(("sft prep: ", "a.json", "known formats")) or "bad row" in line for line in lines)
    assert "Traceback" not in result.err


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("name", EITHER_WAY)
def test_what_json_leaves_open_does_not_crash(prep, tmp_path, name, ending):
    (tmp_path / f"a.{ending}").write_bytes(EITHER_WAY[name])
    result = prep(f"a.{ending}", "--check")
    assert result.code in (1, 2)
    assert "Traceback" not in result.err


CSV = {
    "comma_in_quotes": ('a,b\nJohn,"Anytown, WW"\n', [{"a": "John", "b": "Anytown, WW"}]),
    "empty": ('a,b,c\n1,"",""\n2,3,4\n', [{"a": "1", "b": "", "c": ""}, {"a": "2", "b": "3", "c": "4"}]),
    "escaped_quotes": ('a,b\n1,"ha ""ha"" ha"\n', [{"a": "1", "b": 'ha "ha" ha'}]),
    "json": ('key,val\n1,"{""x"": [1, 2]}"\n', [{"key": "1", "val": '{"x": [1, 2]}'}]),
    "newlines_crlf": ('a,b\r\n"Once upon \r\na time",5\r\n', [{"a": "Once upon \r\na time", "b": "5"}]),
    "quotes_and_newlines": ('a,b\n1,"ha \n""ha"" \nha"\n', [{"a": "1", "b": 'ha \n"ha" \nha'}]),
    "utf8": ("a,b\n4,ʤ\n", [{"a": "4", "b": "ʤ"}]),
}


def csv_cases():
    """(name, bytes of the table, its records)."""
    if not FOLDER:
        return [(name, text.encode(), records) for name, (text, records) in CSV.items()]
    cases = []
    for path in sorted(Path(FOLDER, "csv-spectrum", "csvs").glob("*.csv")):
        records = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_bytes())
        # The JSON of this file is one object, and has another telephone number than its CSV.
        records = records if isinstance(records, list) else [{**records, "Contact Phone Number": "2095257564"}]
        # Git may have taken the carriage returns out of a copy.
        table = path.read_bytes()
        records = records if b"\r" in table else json.loads(json.dumps(records).replace("\\r", ""))
        cases.append((path.stem, table, records))
    return cases


@pytest.mark.parametrize(("name", "table", "records"), csv_cases())
def test_the_edges_of_csv_give_the_records_of_their_json(tmp_path, name, table, records):
    (tmp_path / "a.csv").write_bytes(table)
    assert [record for _, record in read_records(str(tmp_path / "a.csv"))] == records


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["text", "messages", "prompt", "answer", "question", "output", "instruction", "reasoning", "id"])
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "x"]), "content": VALUES}), max_size=3
)
RECORDS = st.dictionaries(KEYS | st.text(max_size=4), VALUES | TURNS, max_size=4)
LINES = (
    st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))
    | RECORDS.map(lambda record: json.dumps(record).encode())
    | st.just(b'{"text": "good"}')
    | st.tuples(RECORDS, st.integers(0, 30)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(lines=st.lists(LINES, max_size=40))
def test_every_line_is_written_or_rejected(prep, tmp_path, lines):
    # The first line decides whether the file is JSON lines, and is the first format.
    data = b"\n".join([b'{"text": "first"}', *lines]) + b"\n"
    (tmp_path / "a.jsonl").write_bytes(data)
    result = prep("a.jsonl", "-o", "rows.jsonl", "--on-error", "skip", "--rejects", "bad.jsonl", "--quiet", "--force")
    assert result.code == 0, result.err
    filled = sum(bool(line.strip()) for line in data.split(b"\n"))
    written = (tmp_path / "rows.jsonl").read_bytes().count(b"\n")
    rejected = (tmp_path / "bad.jsonl").read_bytes().count(b"\n")
    assert (written + rejected, written > 0) == (filled, True)
