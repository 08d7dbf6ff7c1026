"""Multiple choice by likelihood: lm-evaluation-harness's rules, and what counts as wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sft_cli.cli import app
from sft_cli.metrics.choice_accuracy import right_choice
from sft_cli.metrics.protocol import read_metric
from sft_cli.run.errors import FieldError
from sft_cli.scoring.generations import check_generation

NAMED = read_metric("choice-accuracy")


def entry(total: float, tokens: int = 1, characters: int = 1, bytes_: int = 1) -> dict[str, Any]:
    return {"sum": total, "tokens": tokens, "characters": characters, "bytes": bytes_}


def row(*entries: Any, **keys: Any) -> dict[str, Any]:
    choices = [f"choice {number}" for number in range(len(entries))]
    return {
        "id": "a",
        "completion": "",
        "choices": choices,
        "choice_logprobs": list(entries),
        "answer": choices[0],
        **keys,
    }


def values(generation: dict[str, Any]) -> list[float]:
    return list(NAMED.values(NAMED.metric.sums(generation) or {}).values())


def test_each_way_to_compare_divides_by_its_own_length() -> None:
    names = ["choice_accuracy", *(f"choice_accuracy.per_{size}" for size in ("character", "byte", "token"))]
    assert list(NAMED.values(NAMED.metric.sums(row(entry(-1), entry(-2))) or {})) == names
    assert values(row(entry(-4), entry(-5, 2, 3, 4))) == [1.0, 0.0, 0.0, 0.0]
    assert values(row(entry(-6, 1, 9, 1), entry(-5, 2, 3, 4))) == [0.0, 1.0, 0.0, 0.0]
    assert values(row(entry(-6, 1, 1, 9), entry(-5, 2, 3, 4))) == [0.0, 0.0, 1.0, 0.0]
    assert values(row(entry(-6, 9, 1, 1), entry(-5, 2, 3, 4))) == [0.0, 0.0, 0.0, 1.0]
    assert values(row(entry(-6, 1, 0, 0), entry(-5))) == [0.0, 0.0, 0.0, 0.0]  # a choice without any length


LENGTHS = st.integers(1, 30)
ENTRIES = st.lists(st.builds(entry, st.floats(-99, 0), LENGTHS, LENGTHS, LENGTHS), min_size=1, max_size=5)


@given(ENTRIES, st.integers(0, 4))
def test_it_equals_numpys_argmax_which_takes_the_first_of_equals(entries: list[dict[str, Any]], right: int) -> None:
    import numpy

    totals = numpy.array([each["sum"] for each in entries])
    right %= len(entries)
    lengths = [numpy.array([each[size] for each in entries]) for size in ("characters", "bytes", "tokens")]
    expected = [float(numpy.argmax(each) == right) for each in (totals, *(totals / length for length in lengths))]
    assert values(row(*entries, answer=None, answer_index=right)) == expected


def test_the_right_choice_is_known_by_its_number_or_else_its_text() -> None:
    twice = {"choices": ["salt", "rain", "salt"]}
    assert right_choice({**twice, "answer": "salt"}) == 0
    assert right_choice({**twice, "answer": "salt", "answer_index": 2}) == 2
    assert right_choice({**twice, "answer_index": 1}) == 1
    assert right_choice(twice) is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"answer": "sand"}, 'answer: expected one of the choices ["salt", "rain"], got "sand"'),
        ({"answer": "salt", "answer_index": 1}, 'answer: expected choices[1], "rain", got "salt"'),
        ({"answer_index": 2}, "answer_index: expected a number from 0 to 1, got 2"),
        ({"answer_index": True}, "answer_index: expected a number from 0 to 1, got true"),
    ],
)
def test_an_answer_that_is_no_choice_is_a_bad_row(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        right_choice({"choices": ["salt", "rain"], **keys})
    assert str(caught.value) == message


def test_rows_that_fail_or_have_a_choice_too_long_are_wrong_and_what_is_missing_is_counted() -> None:
    wrong = {"correct": 0, "correct_per_character": 0, "correct_per_byte": 0, "correct_per_token": 0, "count": 1}
    assert NAMED.metric.sums(row(entry(-1), None)) == {**wrong, "too_long": 1}
    failed = {key: value for key, value in row(entry(-1), entry(-2)).items() if key != "choice_logprobs"}
    assert NAMED.metric.sums({**failed, "completion": None}) == wrong
    assert NAMED.metric.sums(failed) is None
    assert NAMED.metric.sums({"completion": None}) is None
    assert NAMED.metric.sums(row(entry(-1), answer=None)) == {"count": 0, "no_right_choice": 1}
    with pytest.raises(FieldError, match="choice_logprobs: expected a log-probability for each of 3 choices, got 1"):
        NAMED.metric.sums(row(entry(-1), choices=["a", "b", "c"], answer="a"))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (3, "choice_logprobs: expected a list, got 3"),
        ([1], "choice_logprobs[0]: expected an object, got 1"),
        ([None, entry(1)], "choice_logprobs[1].sum: expected a log-probability of at most 0, got 1"),
        (
            [{"sum": -1, "tokens": 1, "bytes": 1}],
            "choice_logprobs[0].characters: expected a number of at least 0, got null",
        ),
    ],
)
def test_bad_log_probabilities_are_named(entries: Any, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        check_generation({"id": "a", "completion": "", "choice_logprobs": entries})
    assert str(caught.value) == message


def test_scores_of_a_file_have_a_table_and_a_signature(tmp_path: Any) -> None:
    rows = [row(entry(-1), entry(-2)), row(entry(-3), entry(-2), id="b"), row(entry(-1), None, id="c")]
    rows += [row(entry(-1), id="d", answer=None, finish_reason="length", completion_tokens=0)]
    path = tmp_path / "g.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    result = CliRunner().invoke(app, ["score", str(path), "--metric", "choice-accuracy", "--draws", "0"])
    assert "choice_accuracy  all   0.3333             -  3  1 no right choice, 1 too long\n" in result.stderr
    assert "4 rows\n" in result.stderr  # none of them is cut: nothing was to be generated
    assert "choice-accuracy|n:3|by:logprob|ties:first|v:0.1.0\n" in result.stderr
    assert json.loads(result.stdout.splitlines()[0])["metrics"]["choice_accuracy.per_token"] == 1.0
