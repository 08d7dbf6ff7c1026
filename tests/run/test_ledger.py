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


def test_twenty_are_shown_and_all_are_counted() -> None:
    ledger = Ledger("stop")
    reject(ledger, *range(1, 24))
    assert len(ledger.error_lines()) == 21
    assert ledger.error_lines()[-1] == "… and 3 more bad rows"
    with pytest.raises(UserError, match=r"23 bad rows\nhint: --on-error skip"):
        ledger.close()


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
