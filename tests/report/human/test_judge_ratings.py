"""Verdicts of a judge model beside those of people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judged_pages import exported, side_of, write_rows


@pytest.fixture
def judged(here: Path, sft: Any) -> dict[str, Any]:
    """Twelve pairs; the judge prefers `tuned` in rows 0 to 5, its first answer in 6 and 7, `base` in the others."""
    for name in ("base", "tuned"):
        rows = [
            {
                "id": f"q{row}",
                "messages": [{"role": "user", "content": f"Question {row}?"}],
                "completion": f"{name} {row}",
            }
            for row in range(12)
        ]
        write_rows(here / f"{name}.gen.jsonl", rows)
    files = ("base.gen.jsonl", "tuned.gen.jsonl")
    assert sft("compare", *files, "--blind-page", "page.html", "--key", "key.json", "--repeats", "0").code == 0
    assert sft("prep", "--judge", "pairwise", *files, "-o", "asked.jsonl").code == 0
    verdicts = []
    for line in (here / "asked.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        number, tuned_first = int(row["judge"]["pair"][1:]), row["judge"]["first"] == "other"
        letter = "A" if number in (6, 7) or (number < 6) == tuned_first else "B"
        verdicts.append({**row, "completion": f"[[{letter}]]", "sample": 0, "finish_reason": "stop"})
    write_rows(here / "judge.gen.jsonl", verdicts)
    key: dict[str, Any] = json.loads((here / "key.json").read_text(encoding="utf-8"))
    return key


def people(key: Any, here: Path, wins: int) -> None:
    """A person who prefers `tuned` in the rows with numbers below `wins`, else `base`."""
    rows = [
        exported(key, place, side_of(key, place, int(int(row["id"][1:]) < wins)))
        for place, row in enumerate(key["rows"])
    ]
    write_rows(here / "anna.jsonl", rows)


def test_the_judge_is_compared_with_people(judged: Any, here: Path, sft: Any) -> None:
    people(judged, here, 6)
    result = sft("compare", "--ratings", "anna.jsonl", "judge.gen.jsonl", "--key", "key.json", "--json")
    assert result.err == "judge.gen.jsonl: 12 rows by the judge judge: base is base, other is tuned\n"
    (results,) = json.loads(result.out)["criteria"]
    anna, judge = results["raters"]
    assert (judge["is_judge"], judge["wins"], judge["losses"], judge["ties"]) == (True, 6, 4, 2)
    assert results["all"]["count"] == 12  # people alone
    assert anna["wins"] == 6
    (calibrated,) = results["judges"]
    assert calibrated["equal"]["value"] == pytest.approx(10 / 12)
    # 6 and 4 equal, 2 ties against base: (10/12 - 1/2·1/2 - 1/2·1/3) / (1 - 5/12)
    assert calibrated["cohen_kappa"]["value"] == pytest.approx((10 / 12 - 5 / 12) / (1 - 5 / 12))
    (_, bias) = results["position"]
    assert (bias["rater"], bias["count"], bias["value"]) == ("judge", 24, pytest.approx(14 / 24))
    shown = sft("compare", "--ratings", "anna.jsonl", "judge.gen.jsonl", "--key", "key.json").out
    assert "a judge is compared with the majority of people, and is not in “all people”.\n" in shown


def test_scores_of_a_judge_say_the_same_as_its_rows(judged: Any, here: Path, sft: Any) -> None:
    assert sft("score", "judge.gen.jsonl", "--metric", "judge-pairwise", "-o", "judge.jsonl").code == 0
    of_rows, of_scores = (
        json.loads(sft("compare", "--ratings", name, "--key", "key.json", "--json").out)
        for name in ("judge.gen.jsonl", "judge.jsonl")
    )
    assert of_rows == of_scores


def test_a_judge_has_the_name_of_its_model(judged: Any, here: Path, sft: Any) -> None:
    manifest = {"config": {"model": "models/big-judge"}, "inputs": []}
    (here / "judge.gen.jsonl.meta.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert sft("score", "judge.gen.jsonl", "--metric", "judge-pairwise", "-o", "judge.jsonl").code == 0
    for name in ("judge.gen.jsonl", "judge.jsonl"):
        document = json.loads(sft("compare", "--ratings", name, "--key", "key.json", "--json").out)
        assert [rater["rater"] for rater in document["raters"]] == ["big-judge"]


def test_verdicts_that_do_not_count_are_reported(judged: Any, here: Path, sft: Any) -> None:
    rows = [json.loads(line) for line in (here / "judge.gen.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["completion"] = "I cannot say."
    rows += [{**rows[2], "id": "q99#1", "judge": {**rows[2]["judge"], "pair": "q99"}}]
    write_rows(here / "judge.gen.jsonl", rows)
    result = sft("compare", "--ratings", "judge.gen.jsonl", "--key", "key.json")
    assert result.code == 0
    assert "warning: judge.gen.jsonl: 1 verdict left out: the row is not on the page\n" in result.err
    assert "warning: judge.gen.jsonl: 1 verdict left out: cannot be read\n" in result.err
    assert "all people" not in result.out


CHANGES = {
    "another question": ({"prompt_hash": "00000000000000aa"}, "prompt_hash: the judge read another question"),
    "no kind": (
        {"judge": {"kind": "rating", "pair": "q0"}},
        'judge: expected a pairwise judgement, got {"kind": "rating", "pair": "q0"}',
    ),
    "no completion": ({"completion": 3}, "completion: expected text, got 3"),
    "no id": ({"id": None}, "id: expected text, got null"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_verdict_that_does_not_fit_is_one_clear_line(name: str, judged: Any, here: Path, sft: Any) -> None:
    rows = [json.loads(line) for line in (here / "judge.gen.jsonl").read_text(encoding="utf-8").splitlines()]
    change, message = CHANGES[name]
    write_rows(here / "judge.gen.jsonl", [{**rows[0], **change}, *rows[1:]])
    result = sft("compare", "--ratings", "judge.gen.jsonl", "--key", "key.json")
    assert (result.code, result.out) == (2, "")
    assert f"judge.gen.jsonl:1: {message}" in result.err
    assert "hint: " in result.err


def test_a_verdict_that_comes_twice_and_a_name_that_comes_twice(judged: Any, here: Path, sft: Any) -> None:
    lines = (here / "judge.gen.jsonl").read_text(encoding="utf-8")
    (here / "twice.jsonl").write_text(lines + lines, encoding="utf-8")
    result = sft("compare", "--ratings", "twice.jsonl", "--key", "key.json")
    assert 'twice.jsonl:25: id: "q0#1" is already in line 1' in result.err
    people(judged, here, 6)
    (here / "anna.gen.jsonl").write_text(lines, encoding="utf-8")
    result = sft("compare", "--ratings", "anna.jsonl", "anna.gen.jsonl", "--key", "key.json")
    assert 'anna.gen.jsonl: the judge has the name "anna", which a person also has' in result.err


def test_other_scores_are_no_verdicts(judged: Any, here: Path, sft: Any) -> None:
    write_rows(here / "scores.jsonl", [{"id": "q0", "metrics": {}, "stats": {"bleu": {"count": 1}}}])
    result = sft("compare", "--ratings", "scores.jsonl", "--key", "key.json")
    assert result.code == 2
    assert "scores.jsonl:1: stats.judge-pairwise: expected the sums of judge-pairwise, got null" in result.err


def test_a_judge_that_rates_one_system(judged: Any, here: Path, sft: Any) -> None:
    (here / "c.json").write_text('[{"name": "overall", "scale": "1-10"}]', encoding="utf-8")
    page = ("--blind-page", "one.html", "--key", "one.json", "--repeats", "0")
    assert sft("compare", "base.gen.jsonl", *page, "--criteria", "c.json").code == 0
    assert sft("prep", "--judge", "rating", "base.gen.jsonl", "-o", "asked1.jsonl").code == 0
    rows = [json.loads(line) for line in (here / "asked1.jsonl").read_text(encoding="utf-8").splitlines()]
    rated = [{**row, "completion": f"[[{place % 10 + 1}]]", "sample": 0} for place, row in enumerate(rows)]
    write_rows(here / "rater.gen.jsonl", rated)
    key = json.loads((here / "one.json").read_text(encoding="utf-8"))
    mine = [exported(key, place, int(row["id"][1:]) % 10 + 1) for place, row in enumerate(key["rows"])]
    write_rows(here / "anna.jsonl", mine)
    result = sft("compare", "--ratings", "anna.jsonl", "rater.gen.jsonl", "--key", "one.json", "--json")
    (results,) = json.loads(result.out)["criteria"]
    assert results["judges"][0]["cohen_kappa"]["value"] == pytest.approx(1.0)
    assert results["raters"][1]["is_judge"]
    assert sft("score", "rater.gen.jsonl", "--metric", "judge-rating", "-o", "rater.jsonl").code == 0
    scored = sft("compare", "--ratings", "anna.jsonl", "rater.jsonl", "--key", "one.json", "--json")
    assert json.loads(scored.out)["criteria"] == json.loads(result.out)["criteria"]
    five = ("--blind-page", "five.html", "--key", "five.json")
    assert sft("compare", "base.gen.jsonl", *five).code == 0
    result = sft("compare", "--ratings", "rater.gen.jsonl", "--key", "five.json")
    assert (
        "rater.gen.jsonl:1: judge: expected the page's scale, 1 to 5, got 1 to 10\n"
        "hint: for the scale of the judge, add a criterion" in result.err
    )
    result = sft("compare", "--ratings", "rater.jsonl", "--key", "five.json")
    assert (
        "rating: expected the page's scale, 1 to 5, got 6\nhint: for the scale of the judge, add a criterion"
        in result.err
    )


def test_a_judge_has_no_place_beside_rankings(judged: Any, here: Path, sft: Any) -> None:
    write_rows(
        here / "third.gen.jsonl", [json.loads(line) for line in (here / "base.gen.jsonl").open(encoding="utf-8")]
    )
    files = ("base.gen.jsonl", "tuned.gen.jsonl", "third.gen.jsonl")
    assert sft("compare", *files, "--blind-page", "three.html", "--key", "three.json").code == 0
    result = sft("compare", "--ratings", "judge.gen.jsonl", "--key", "three.json")
    assert "judge.gen.jsonl: verdicts of a judge need a page of one or two files, got 3 files" in result.err
