"""Nothing disappears without a line in the ledger."""

from __future__ import annotations

import io
import json

import pytest

from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger


def reject(ledger: Ledger, *numbers: int, field: str = "messages[3].role") -> None:
    for number in numbers:
        ledger.reject(f"a.jsonl:{number}", FieldError(field, 'expected user, got "bot"'), {"n": number})


def test_bad_rows_stop_a_command_together_at_the_end() -> None:
    ledger = Ledger("stop", hint="mend them")
    reject(ledger, 2, 5)
    with pytest.raises(UserError) as caught:
        ledger.close()
    assert str(caught.value) == (
        'a.jsonl:2: messages[3].role: expected user, got "bot"\n'
        'a.jsonl:5: messages[3].role: expected user, got "bot"\n'
        "2 bad rows\nhint: mend them"
    )


def test_one_mistake_in_many_rows_is_one_error_with_the_places_of_three() -> None:
    ledger = Ledger("stop")
    reject(ledger, *range(1, 24))
    ledger.reject("a.jsonl:24", FieldError("messages[3].role", "expected another thing, got 3"))
    assert ledger.error_lines() == [
        'a.jsonl:1: messages[3].role: expected user, got "bot" (and 22 more like it: lines 2, 3, …)',
        "a.jsonl:24: messages[3].role: expected another thing, got 3",
    ]
    with pytest.raises(UserError, match=r"24 bad rows\nhint: --on-error skip"):
        ledger.close()


def test_the_same_mistake_in_several_files_names_the_files() -> None:
    ledger = Ledger("stop")
    for place in ("a.jsonl:7", "b.jsonl:1", "b.jsonl:2", "b.jsonl:3"):
        ledger.reject(place, FieldError("text", "expected text, got null"))
    assert ledger.error_lines() == [
        "a.jsonl:7: text: expected text, got null (and 3 more like it: b.jsonl:1, b.jsonl:2, …)"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("expected a JSON object, got list", "expected a JSON object, got str"),
        ("expected a JSON object, got invalid json: x", "expected a JSON object, got line is not valid utf-8: x"),
    ],
)
def test_lines_that_are_no_rows_for_several_reasons_are_told_apart(first: str, second: str) -> None:
    ledger = Ledger("stop")
    for number in range(1, 6):
        ledger.reject(f"a.jsonl:{number}", FieldError("", first))
    ledger.reject("a.jsonl:9", FieldError("", second))
    assert ledger.error_lines() == [f"a.jsonl:1: {first} (and 4 more like it: lines 2, 3, …)", f"a.jsonl:9: {second}"]


def test_twenty_mistakes_are_shown_and_all_rows_are_counted() -> None:
    ledger = Ledger("stop")
    reject(ledger, 1, field="field 1")
    for number in range(2, 25):
        reject(ledger, number, field=f"field {number - 1}")
    assert len(ledger.error_lines()) == 22  # 21 rows with the first 20 mistakes
    assert ledger.error_lines()[-1] == "… and 3 more bad rows with other errors"
    with pytest.raises(UserError, match=r"24 bad rows\nhint: --on-error skip"):
        ledger.close()


def test_a_row_that_no_json_can_hold_is_kept_as_text() -> None:
    sink = io.StringIO()
    ledger = Ledger("skip", sink)
    ledger.reject("a.parquet:1", FieldError("image", "expected text, got b'x'"), {"image": b"x", "half": "\ud800"})
    assert json.loads(sink.getvalue())["row"] == '{"image": "b\'x\'", "half": "\\ud800"}'


def test_skipped_rows_are_counted_by_kind_and_kept_with_their_reason() -> None:
    sink = io.StringIO()
    ledger = Ledger("skip", sink)
    ledger.count("read", 1200)
    reject(ledger, 1, 2)
    reject(ledger, 3, field="messages[7].role")
    reject(ledger, 4, field="")
    ledger.close()
    assert ledger.lines() == ["1,200  read", "    3  rejected: messages[].role", "    1  rejected: not a row"]
    kept = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [row["row"]["n"] for row in kept] == [1, 2, 3, 4]
    assert kept[3]["error"] == 'a.jsonl:4: expected user, got "bot"'


def test_an_empty_ledger_is_silent() -> None:
    ledger = Ledger()
    ledger.close()
    assert ledger.lines() == []
