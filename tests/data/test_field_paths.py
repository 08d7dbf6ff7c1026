"""`--map NEW=OLD`: OLD may be a path; the step that is missing is named, and a name with points wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.field_paths import rename
from sft_cli.run.errors import FieldError

NESTED = {
    "q": "1",
    "response": {"text": "a", "a.b": {"c": 1}, "list": [{"x": 1}, {"x": 2}]},
    "choices": [{"message": {"content": "c"}}],
    "cell": '{"text": "t"}',
    "a.b": {"c": "point"},
    "a": {"b": {"c": "path"}},
}


@pytest.mark.parametrize(
    ("old", "value"),
    [
        ("q", "1"),
        ("response.text", "a"),
        ("response.a.b.c", 1),
        ("response.list.1.x", 2),
        ("response.list.-1.x", 2),
        ("choices.0.message.content", "c"),
        ("cell.text", "t"),
        ("a.b", {"c": "point"}),
        ("a.b.c", "point"),
    ],
)
def test_a_path_names_one_value(old, value):
    renamed = rename(NESTED, {old: ["answer"]})
    assert renamed["answer"] == value
    assert len(renamed) == len(NESTED)  # the value is in the place of its field


def test_two_paths_into_one_field_give_two_fields():
    record = {"x": {"q": "1", "a": "2", "rest": 3}, "id": 7}
    assert rename(record, {"x.q": ["question"], "x.a": ["answer", "task"]}) == {
        "question": "1",
        "answer": "2",
        "task": "2",
        "id": 7,
    }


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("nope", "nope: expected a field for answer, got the fields q, response, choices, cell, a.b, a"),
        ("nope.text", "nope.text: expected a field for answer, got the fields q, response, choices, cell, a.b, a"),
        ("response.txt", "response.txt: expected a field for answer, got the fields text, a.b, list"),
        ("response.list.2.x", "response.list.2: expected a field for answer, got a list of 2 values"),
        ("response.list.x", "response.list.x: expected a field for answer, got a list of 2 values"),
        ("choices.0.message.content.text", 'choices.0.message.content.text: expected a field for answer, got "c"'),
        ("q.", "q.: expected a field for answer, got the fields q, response, choices, cell, a.b, a"),
    ],
)
def test_the_step_that_is_missing_is_named(old, message):
    with pytest.raises(FieldError) as caught:
        rename(NESTED, {old: ["answer"]})
    assert str(caught.value) == message


def test_a_name_that_two_fields_would_have_is_an_error():
    with pytest.raises(FieldError, match="answer: expected one field of this name, got two"):
        rename({"response": {"text": "a"}, "answer": "b"}, {"response.text": ["answer"]})


VALUES = st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner))


@given(st.dictionaries(st.text("ab", min_size=1), VALUES, min_size=1), st.data())
def test_every_value_has_a_path(record, data):
    keys, value = [], record
    while isinstance(value, (dict, list)) and value:
        at = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        keys, value = [*keys, at], value[at]
        if not all(str(key) for key in keys):
            return  # an empty name is not a step
    assert rename(record, {".".join(map(str, keys)): ["answer"]})["answer"] == value
