"""`prep --verifier`: labels of every set we know, rows that train, score and ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.data.verifier.stances import STANCE_NAMES, STANCES, read_labels, stance_of
from sft_cli.run.errors import UserError


@pytest.mark.parametrize("stance", STANCES)
def test_every_name_of_a_stance_is_read_in_any_form(stance: str) -> None:
    for name in STANCE_NAMES[stance]:
        for written in (name, name.upper(), name.replace(" ", "_"), f" {name.replace(' ', '-')} "):
            assert stance_of(written) == stance


@pytest.mark.parametrize("label", ["not_entailment", "0", "1", "true", "partially-support", ""])
def test_a_label_that_can_mean_two_things_has_no_stance(label: str) -> None:
    assert stance_of(label) is None


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        (["0=supported"], "expected VERDICT=LABEL"),
        (["supported"], "expected VERDICT=LABEL"),
        (["supported="], "expected VERDICT=LABEL"),
        (["supported=0", "contradicted=0"], "0: given twice"),
    ],
)
def test_a_bad_label_flag_is_refused(pairs: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        read_labels(pairs)


def test_rows_without_labels_are_prompts_if_asked(here: Path, sft: Any) -> None:
    Path("pairs.jsonl").write_text('{"evidence": "It rains.", "claim": "It is wet."}\n')
    refused = sft("prep", "--verifier", "pairs.jsonl")
    assert refused.code == 2
    assert "label: expected supported" in refused.err
    row = json.loads(sft("prep", "--verifier", "--prompts", "pairs.jsonl", "-q").out)
    assert [turn["role"] for turn in row["messages"]] == ["user"]
    assert row["choices"] == list(STANCES)
    assert "answer" not in row
    assert "references" not in row


@pytest.mark.parametrize(
    "flags", [["--format", "text"], ["--system", "x"], ["--benchmark", "rte"], ["--judge", "rating"]]
)
def test_a_flag_without_effect_is_refused(flags: list[str], here: Path, sft: Any) -> None:
    Path("pairs.jsonl").write_text("{}\n")
    result = sft("prep", "--verifier", "pairs.jsonl", *flags)
    assert result.code == 2
    assert f"{flags[0]}: has no effect with --verifier" in result.err


def test_label_needs_verifier(here: Path, sft: Any) -> None:
    Path("pairs.jsonl").write_text("{}\n")
    assert "--label: has an effect only with --verifier" in sft("prep", "pairs.jsonl", "--label", "supported=1").err
