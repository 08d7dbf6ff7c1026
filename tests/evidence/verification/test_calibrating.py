"""`verify --calibrate` writes what `--calibration` uses, and refuses what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models

TRUE = [f"The harbour of town {n} froze in {1800 + n}." for n in range(20)]
FALSE = [f"The harbour of town {n} froze in {1800 + n + 3}." for n in range(20)]


def write_labelled(here: Path) -> None:
    rows = [
        {"evidence": true, "claim": claim, "answer": answer}
        for true, false in zip(TRUE, FALSE, strict=True)
        for claim, answer in ((true, "supported"), (false, "contradicted"))
    ]
    (here / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = {"id": "q", "completion": TRUE[0], "context": [TRUE[0]]}
    (here / "gen.jsonl").write_text(json.dumps(answer) + "\n")


def test_a_calibration_is_written_said_and_used(here: Path, sft: Any) -> None:
    write_labelled(here)
    made = sft("verify", "--calibrate", "labelled.jsonl", "-o", "c.json")
    assert made.code == 0, made.err
    assert "40 claims, by 5 folds: balanced accuracy 1.000 [1.000, 1.000]" in made.err
    facts = json.loads(Path("c.json").read_text())
    assert facts["rows"] == {"supported": 20, "contradicted": 20, "not stated": 0}
    assert facts["model"] is None
    [claim] = json.loads(sft("verify", "gen.jsonl", "--calibration", "c.json", "-q").out)["claims"]
    assert claim["verdict"] == "supported"
    assert claim["probability"] > 0.9


def test_a_calibration_belongs_to_its_model(here: Path, tmp_path: Path, sft: Any) -> None:
    write_labelled(here)
    folder = tiny_models.save("entailment", tmp_path)
    assert sft("verify", "--calibrate", "labelled.jsonl", "--nli", folder, "-o", "m.json").code == 0
    assert sft("verify", "gen.jsonl", "--nli", folder, "--calibration", "m.json").code == 0
    without = sft("verify", "gen.jsonl", "--calibration", "m.json")
    assert without.code == 2
    assert "was made with a model, and is used without a model" in without.err
    other = tiny_models.save("emotions", tmp_path)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "id2label": {"0": "entailment", "1": "other"}}))
    assert "was made with another model" in sft("verify", "gen.jsonl", "--nli", other, "--calibration", "m.json").err


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [{"evidence": "a", "claim": "b", "answer": "yes"}],
            "labelled.jsonl:1: answer: expected supported, contradicted",
        ),
        ([{"claim": "b", "answer": "supported"}], "labelled.jsonl:1: evidence: expected text, got null"),
        (
            [{"evidence": "a", "claim": "b", "answer": "supported"}] * 30,
            "expected at least 20 rows, 5 of them supported",
        ),
    ],
)
def test_bad_labelled_rows_are_refused(here: Path, sft: Any, rows: list[Any], problem: str) -> None:
    Path("labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = sft("verify", "--calibrate", "labelled.jsonl", "-o", "c.json")
    assert result.code == 2
    assert problem in result.err
    assert not Path("c.json").exists()


@pytest.mark.parametrize("flags", [["--policy", "drop"], ["--claims", "x"], ["--abstain-below", "0.5"]])
def test_calibrate_reads_labelled_claims_alone(here: Path, sft: Any, flags: list[str]) -> None:
    write_labelled(here)
    result = sft("verify", "--calibrate", "labelled.jsonl", *flags)
    assert f"--calibrate: reads only labelled claims; expected no {flags[0]}" in result.err


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--chunk-tokens", "50"], "--chunk-tokens: has an effect only with --corpus"),
        (["--overlap-tokens", "5"], "--overlap-tokens: has an effect only with --corpus"),
        (["--map", "text=x"], "--map: has an effect only with --corpus"),
        (["--top-k", "3"], "--top-k: has an effect only with --corpus or --index"),
        (
            ["--knowledge", "gen.jsonl", "--propose-patterns", "gen.jsonl", "--policy", "drop"],
            "--propose-patterns: writes patterns, and checks no answers; expected no --policy",
        ),
        (["--propose-patterns", "gen.jsonl", "--knowledge", "gen.jsonl"], "expected no GENERATIONS"),
    ],
)
def test_a_flag_that_nothing_reads_is_refused(here: Path, sft: Any, flags: list[str], problem: str) -> None:
    write_labelled(here)
    result = sft("verify", *([] if "--policy" in flags else ["gen.jsonl"]), *flags)
    assert result.code == 2
    assert problem in result.err


def test_another_file_is_no_calibration(here: Path, sft: Any) -> None:
    write_labelled(here)
    result = sft("verify", "gen.jsonl", "--calibration", "labelled.jsonl")
    assert result.code == 2
    assert "--calibration: labelled.jsonl: expected a file that --calibrate wrote" in result.err
