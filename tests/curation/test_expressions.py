"""--where: what an expression means, and what is said of one that cannot be read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.curation.expressions import DEEPEST, read_condition
from sft_cli.run.errors import FieldError, UserError

ROW = {
    "id": "a",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi there, 你好"},
        {"role": "assistant", "content": 'He said "no"'},
    ],
    "task": "qa",
    "generated": {"sample": 3},
    "score": 0.5,
    "ok": True,
    "tags": ["x", 2],
}


@pytest.mark.parametrize(
    ("text", "is_true"),
    [
        ('len(answer) == 12 and task == "qa"', True),
        ("not (task in ['x', 'qa']) or words(question) <= 4", True),
        ("not task == 'qa' or score > 1", False),
        ("turns == 2", True),
        ("generated.sample >= 3", True),
        ("score < 1e0 and score >= 0.5 and score != 0.25", True),
        ("answer matches '^He\\b'", True),
        (r'question matches "\bthere\b"', True),
        ("'there' in question and 'x' in tags and 2 in tags and not ('y' in tags)", True),
        ("'y' not in tags", True),
        ("lower(answer) == 'he said \"no\"'", True),
        ('answer == "He said \\"no\\""', True),
        ("ok", True),
        ("ok == true and ok != 1", True),
        ("missing == null and len(missing) == 0", True),
        ("missing < 3 or missing > 3 or missing in ['a']", False),
        ("score > -1", True),
        ("task == 'a' or task == 'b' and ok or task == 'qa'", True),
        ("words(question) == 4", True),
        ("len(tags) == 2", True),
    ],
)
def test_what_an_expression_means(text: str, is_true: bool) -> None:
    assert read_condition(text).is_true(ROW) == is_true


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("len(answer", "--where 'len(answer': expected ), got the end"),
        ("task = 3", "--where 'task = 3': cannot read this, got \"= 3\""),
        ("foo(task)", "--where 'foo(task)': expected one of len, words, lower, got foo"),
        ("task ==", "--where 'task ==': expected a value, got the end"),
        ("a b", "--where 'a b': expected and, or, or the end, got \"b\""),
        ("a not b", "--where 'a not b': expected in after not, got \"b\""),
        ("task matches x", "--where 'task matches x': expected a pattern in quotes after matches, got \"x\""),
        ("task matches '('", "--where \"task matches '('\": '(': not a regular expression: missing )"),
        ("", "--where '': expected a value, got the end"),
        ("(" * 5000 + "a", f"--where: expected at most {DEEPEST} brackets in one another, got more"),
        ("not " * 5000 + "a", f"--where: expected at most {DEEPEST} brackets in one another, got more"),
        ("__import__('os')", "expected one of len, words, lower, got __import__"),
    ],
)
def test_what_cannot_be_read_is_shown(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_condition(text)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task < 3", 'expected two numbers or two texts, got "qa" and 3'),
        ("tags < 3", 'expected two numbers or two texts, got ["x", 2] and 3'),
        ("'a' in score", "expected a list or a text after in, got 0.5"),
        ("words(score) > 1", "expected a text for words(), got 0.5"),
        ("len(score) > 1", "expected a text for len(), got 0.5"),
    ],
)
def test_values_that_cannot_be_compared_are_errors_of_the_row(text: str, message: str) -> None:
    with pytest.raises(FieldError) as error:
        read_condition(text).is_true(ROW)
    assert message in str(error.value)


def test_fields_that_no_row_has_are_known() -> None:
    condition = read_condition("taks == 'qa' and generated.sample > 1 and score > 0 or also == 1")
    assert not condition.is_true(ROW)
    assert condition.unknown == {"taks", "generated.sample", "score", "also"}  # and stops at the first part
    assert read_condition("score > 0 and generated.sample > 1").unknown == {"score", "generated.sample"}
    known = read_condition("score > 0 and generated.sample > 1")
    assert known.is_true(ROW)
    assert not known.unknown


@given(st.text(alphabet="ab()[]<>=!'\"\\,. 0123-andortfiln", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = read_condition(text)
    except UserError:
        return
    with contextlib.suppress(FieldError):
        assert isinstance(condition.is_true(ROW), bool)
