"""The incremental JSON reader equals json.loads, for any chunk size, and knows its lines."""

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sft_cli.data.json_stream import split_json
from sft_cli.run.errors import UserError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)


def split(text, chunk=1 << 18):
    return list(split_json(io.BytesIO(text.encode()), "f.json", chunk))


@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.sampled_from([None, 0, 2]), st.booleans())
@example(
    [-1.5e300, 12, 1e-7, True, None, "é\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")], 1, None, True
)
def test_an_array_in_chunks_equals_json_loads(values, chunk, indent, ascii_only):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    assert [value for _, value in split(text, chunk)] == json.loads(text)


@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=1, max_size=4), st.integers(1, 40))
def test_objects_one_after_another_equal_json_loads(objects, chunk):
    text = "\n".join(json.dumps(item, indent=1) for item in objects)
    expected = [item for item in objects if not isinstance(item.get("data"), list)]
    assert [value for _, value in split(text, chunk) if value in expected][: len(expected)] == expected


@given(st.lists(st.fixed_dictionaries({"k": st.text(max_size=5)}), min_size=1, max_size=6), st.integers(1, 40))
def test_each_record_has_the_line_on_which_it_starts(objects, chunk):
    text = json.dumps(objects, indent=2)
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip() == "{"]
    assert [line for line, _ in split(text, chunk)] == lines


def test_an_array_under_data_is_read_and_its_neighbours_are_not_rows():
    text = '{"version": 1,\n "data": [\n  {"a": 1},\n  {"a": 2}\n ], "licence": "x"}'
    assert split(text) == [(3, {"a": 1}), (4, {"a": 2})]


def test_a_single_object_is_one_record():
    assert split('\n{"a": [1], "data": "text"}') == [(2, {"a": [1], "data": "text"})]
    assert split("{}") == [(1, {})]
    assert split("[]") == split(" \n") == []


def test_a_byte_order_mark_is_no_content():
    assert split('\ufeff[{"a": 1}]') == [(1, {"a": 1})]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n {"a": 2]', "f.json:2: not JSON: Expecting ',' delimiter"),
        ('[{"a": 1}\n {"a": 2}]', 'f.json:2: not JSON: expected "," or "]", got "{"'),
        ('[{"a": 1},\n', "f.json:2: not JSON: Expecting value"),
        ('[{"a": 1}', 'f.json:1: not JSON: expected "," or "]", got the end of the file'),
        ('[{"a": "x\n"}]', "f.json:1: not JSON: Invalid control character at"),
        ("[NaN]", "f.json:1: not JSON: NaN is not a JSON number"),
        ('{"a": 1', 'f.json:1: not JSON: expected "," or "}", got the end of the file'),
        ("{1: 2}", "f.json:1: not JSON: expected a key in quotes and a colon"),
        ("hello", 'f.json:1: expected a JSON array or object, got "h'),
    ],
)
def test_text_that_is_not_json_is_an_error_with_its_line(text, message, chunk):
    with pytest.raises(UserError) as caught:
        split(text, chunk)
    assert str(caught.value).startswith(message)


def test_text_that_is_not_utf8_is_an_error_with_its_line():
    with pytest.raises(UserError, match=r"f.json:2: expected UTF-8, got invalid continuation byte"):
        list(split_json(io.BytesIO(b'[\n"caf\xe9 au lait"]'), "f.json", 4))


@pytest.mark.parametrize("depth", [201, 990, 5000, 200_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a": "]\\"", "b": [', "]}")])
def test_a_record_that_is_nested_too_deeply_is_a_bad_row_and_the_rest_is_read(depth, begin, end):
    found = split("[1,\n" + begin * depth + end * depth + ",\n3]")
    assert [found[0], found[2]] == [(1, 1), (3, 3)]
    assert (found[1][0], str(found[1][1])) == (2, "expected a flatter object, got one nested more than 200 levels deep")


def test_brackets_without_an_end_are_an_error_not_a_crash():
    with pytest.raises(UserError, match=r"f.json:1: not JSON: the file ends inside a value"):
        split("[" * 200_000)


def test_memory_does_not_hold_more_than_a_few_chunks():
    class Endless(io.RawIOBase):
        def read1(self, size):
            return (b"[" if not self.tell_count() else b"") + b'{"a": "' + b"x" * 1000 + b'"},\n'

        count = 0

        def tell_count(self):
            self.count += 1
            return self.count - 1

    rows = split_json(Endless(), "f.json", 1000)
    for _ in range(10_000):
        line, _ = next(rows)
    assert line == 10_000
    window = rows.gi_yieldfrom.gi_frame.f_locals["window"]
    assert len(window.buffer) < 10_000
