"""From two files of generations to a judge's verdict, by the commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.metrics.answers import said
from sft_cli.metrics.judge_pairwise import read_verdict
from sft_cli.metrics.judge_rating import read_rating


def generations(path: Path, answers: dict[str, str | None], question: str = "What is {}?") -> Path:
    rows = [
        {
            "id": name,
            "messages": [{"role": "user", "content": question.format(name)}],
            "references": [f"the {name}"],
            "completion": answer,
            "sample": 0,
            "finish_reason": "error" if answer is None else "stop",
        }
        for name, answer in answers.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(path: Path, rows: list[dict[str, Any]], verdict: Any) -> Path:
    """The prompts with a fake judge's answers."""
    answered = [{**row, "completion": verdict(row), "sample": 0, "finish_reason": "stop"} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in answered))
    return path


@pytest.fixture
def pairs(sft: Any, tmp_path: Path) -> list[dict[str, Any]]:
    base = generations(tmp_path / "base.jsonl", {"x": "good x", "y": "bad y", "z": None, "only": "1"})
    other = generations(tmp_path / "other.jsonl", {"x": "good good x", "y": "good y", "z": "good z"})
    result = sft("prep", "--judge", "pairwise", base, other)
    assert result.code == 0
    assert f"3 pairs; 1 only in {base}, 0 only in {other}, not judged" in result.err
    rows: list[dict[str, Any]] = result.rows
    return rows


def test_pairs_are_shown_in_both_orders(pairs: list[dict[str, Any]]) -> None:
    assert [row["id"] for row in pairs] == [f"{name}#{order}" for name in "xyz" for order in (1, 2)]
    assert pairs[2]["judge"] == {"kind": "pairwise", "pair": "y", "first": "base"}
    assert pairs[3]["judge"] == {"kind": "pairwise", "pair": "y", "first": "other"}
    first, second = (row["messages"][0]["content"] for row in pairs[2:4])
    assert first.index("bad y") < first.index("good y")
    assert second.index("good y") < second.index("bad y")
    assert "What is y?" in first
    assert "[Reference answer]\nthe y" in first
    assert "[Answer A]\n\n\n[Answer B]" in pairs[4]["messages"][0]["content"]  # a failed answer is an empty one


def scores(sft: Any, path: Path, metric: str) -> dict[str, Any]:
    assert sft("score", path, "--metric", metric, "-o", f"{path}.s").code == 0
    summary: dict[str, Any] = json.loads(Path(f"{path}.s.summary.json").read_text())["metrics"][metric]
    return summary


def test_swapped_places_expose_a_judge_that_always_takes_the_first(
    sft: Any, tmp_path: Path, pairs: list[dict[str, Any]]
) -> None:
    found = scores(sft, judged(tmp_path / "j.jsonl", pairs, lambda row: "It is [[A]]."), "judge-pairwise")
    assert found["values"] == {
        "judge_pairwise.win": 0.5,
        "judge_pairwise.agreement": 0.0,
        "judge_pairwise.first": 1.0,
        "judge_pairwise.valid": 1.0,
    }
    assert found["n"] == 3


def test_a_judge_that_reads_finds_the_better_answer(sft: Any, tmp_path: Path, pairs: list[dict[str, Any]]) -> None:
    def verdict(row: dict[str, Any]) -> str:
        text = row["messages"][0]["content"]
        first, second = text.split("[Answer A]")[1].split("[Answer B]")
        counts = first.count("good"), second.count("good") - 0
        return "[[C]]" if counts[0] == counts[1] else "[[A]]" if counts[0] > counts[1] else "[[B]]"

    found = scores(sft, judged(tmp_path / "j.jsonl", pairs, verdict), "judge-pairwise")
    assert (found["value"], found["values"]["judge_pairwise.agreement"]) == (1.0, 1.0)
    silent = scores(sft, judged(tmp_path / "k.jsonl", pairs, lambda row: "I cannot say."), "judge-pairwise")
    assert (silent["value"], silent["values"]["judge_pairwise.valid"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("completion", "verdict"),
    [
        ("First [[B]], no: [[A]].", "first"),
        ("【B】", "second"),
        ("[[C]]", "tie"),
        ("tie", "tie"),
        ("平局。", "tie"),
        (" b. ", "second"),
        ("", None),
        ("[[Answer B]]", "second"),
        ("**[[tie]]**", "tie"),
        ("[[平局]]", "tie"),
        ("［［Ａ］］", "first"),
        ("Both are good.\n\n**Final verdict: B**", "second"),
        ("My verdict is: Assistant A.", "first"),
        ("Verdict: C", "tie"),
        ("Answer A is better", "first"),
        ("Overall, answer B is better than answer A.", "second"),
        ("It's a tie.", "tie"),
        ("理由如下。\n结论：回答 B 更好。", "second"),
        ("回答A比回答B更好", "first"),
        ("结论：不分上下", "tie"),
        ("Answer A is not better", None),
        ("Answer A is worse than answer B", None),
        ("A good try by both", None),
        ("Verdict: A\nas B is wrong", None),
        ("<think>[[A]] or [[B]]?</think>\nI cannot say", None),
        ("<think>[[A]] looks good</think>[[B]]", "second"),
        ("<think>I must write [[A]], [[B]] or [[C]]", None),
        (None, None),
    ],
)
def test_verdicts_are_read_by_rule(completion: str | None, verdict: str | None) -> None:
    assert read_verdict(said({"completion": completion})) == verdict


@pytest.mark.parametrize(
    ("completion", "rating"),
    [
        ("[[3]] or rather [[7.5]]", 7.5),
        ("[[8/10]]", 8),
        ("9", 9),
        ("【6】", 6),
        ("[[11]]", None),
        ("7 of 10", None),
        ("[[4/5]]", None),
        ("[[0]]", None),
        ("It is clear.\nRating: 7", 7),
        ("**Score: 8/10**", 8),
        ("很好。\n评分：6 分", 6),
        ("7分", 7),
        ("Because\n1. it is long\n2.", None),
        ("Rating: 7 because it is short", None),
        ("<think>[[3]]</think>[[4]]", 4),
        ("<think>[[3]]", None),
        (None, None),
    ],
)
def test_ratings_are_read_by_rule(completion: str | None, rating: float | None) -> None:
    assert read_rating(said({"completion": completion}), 1, 10) == rating


def test_ratings_of_two_models_can_be_compared(sft: Any, tmp_path: Path) -> None:
    files = []
    for name, marks in (("a", ["[[4]]", "[[6]]", "?"]), ("b", ["[[5]]", "[[9]]", "[[2]]"])):
        answers = generations(tmp_path / f"{name}.jsonl", dict.fromkeys("xyz", name), "{}是什么？请用中文回答。")
        rows = sft("prep", "--judge", "rating", answers).rows
        assert [row["id"] for row in rows] == ["x", "y", "z"]
        assert "请给下面的回答打分，从 1 分" in rows[0]["messages"][0]["content"]
        given = iter(marks)
        path = judged(tmp_path / f"{name}.judged.jsonl", rows, lambda row, given=given: next(given))
        found = scores(sft, path, "judge-rating")
        files.append(f"{path}.s")
        if name == "a":
            assert (found["value"], found["n"], found["unread"]) == (5, 2, 1)
            assert found["values"]["judge_rating.valid"] == pytest.approx(2 / 3)
    result = sft("compare", *files)
    assert (result.code, "judge_rating" in result.out) == (0, True)


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps({"messages": [], "finish_reason": "stop", **row}) + "\n" for row in rows))
    return path


def verdict(pair: str, first: str, completion: str, sample: int = 0) -> dict[str, Any]:
    order = 1 if first == "base" else 2
    judge = {"kind": "pairwise", "pair": pair, "first": first}
    return {"id": f"{pair}#{order}", "sample": sample, "completion": completion, "judge": judge}


def test_values_by_hand(sft: Any, tmp_path: Path) -> None:
    """Of the second file: x won, y half (the orders disagree), z half by a tie and none by the other order."""
    marks = {"x": ("[[B]]", "[[A]]"), "y": ("[[A]]", "[[A]]"), "z": ("[[C]]", "[[B]]"), "w": ("[[C]]", "?")}
    rows = [
        verdict(pair, first, mark)
        for pair, both in marks.items()
        for first, mark in zip(("base", "other"), both, strict=True)
    ]
    found = scores(sft, written(tmp_path / "j", *rows), "judge-pairwise")
    assert found["values"] == {
        "judge_pairwise.win": (1 + 0.5 + 0.25 + 0.5) / 4,
        "judge_pairwise.agreement": 1 / 3,  # w cannot agree: one of its verdicts cannot be read
        "judge_pairwise.first": 3 / 5,
        "judge_pairwise.valid": 7 / 8,
    }
    assert found["n"] == 4
    assert "one_order" not in found


def test_a_sampled_judge_gives_each_order_the_same_say(sft: Any, tmp_path: Path) -> None:
    rows = [
        verdict("x", "base", "[[B]]"),
        verdict("x", "base", "[[B]]", 1),
        verdict("x", "base", "[[B]]", 2),
        verdict("x", "other", "[[B]]"),
    ]
    found = scores(sft, written(tmp_path / "j", *rows), "judge-pairwise")
    assert (found["value"], found["n"], found["values"]["judge_pairwise.agreement"]) == (0.5, 1, 0)


def test_a_pair_of_one_order_is_told(sft: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "j", verdict("x", "base", "[[A]]"))
    result = sft("score", path, "--metric", "judge-pairwise", "-o", tmp_path / "s")
    assert "warning: judge-pairwise: 1 row with a pair that the judge saw in one order only" in result.err


def test_the_orders_of_a_pair_must_lie_together(sft: Any, tmp_path: Path) -> None:
    rows = [verdict("x", "base", "[[A]]"), verdict("y", "base", "[[A]]"), verdict("x", "other", "[[A]]")]
    path = written(tmp_path / "j", *rows)
    result = sft("score", path, "--metric", "judge-pairwise")
    assert f"{path}:3: id: expected the samples of 'x' together, got the id again after other rows" in result.err
    assert result.code == 2


def test_a_pair_is_never_parted_and_is_one_draw(sft: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Both orders in one chunk whatever its size; the interval is that of as many rows of half as much evidence."""
    rows = [verdict(f"p{n}", first, "[[A]]") for n in range(9) for first in ("base", "other")]
    path = written(tmp_path / "j", *rows)
    whole = scores(sft, path, "judge-pairwise")
    monkeypatch.setattr("sft_cli.scoring.scoreboard.CHUNK_LINES", 3)
    (tmp_path / "j.s").unlink()
    (tmp_path / "j.s.summary.json").unlink()
    (tmp_path / "j.s.meta.json").unlink(missing_ok=True)
    assert scores(sft, path, "judge-pairwise") == whole
    # Each pair is a draw of 1 and 0 together, so that all resamples are 0.5.
    assert (whole["value"], whole["interval"], whole["no_interval"]) == (0.5, None, "all resamples are equal")


@pytest.mark.parametrize(
    ("judge", "metric", "message"),
    [
        ({"kind": "pairwise", "first": "base"}, "judge-pairwise", "judge.pair: expected text, got null"),
        (
            {"kind": "pairwise", "pair": ["x"], "first": "base"},
            "judge-pairwise",
            'judge.pair: expected text, got ["x"]',
        ),
        ({"kind": "pairwise", "pair": "x"}, "judge-pairwise", "judge.first: expected base or other, got null"),
        ({"kind": "rating", "lowest": "1"}, "judge-rating", 'judge.lowest: expected a number, got "1"'),
    ],
)
def test_a_bad_judge_field_is_told(sft: Any, tmp_path: Path, judge: Any, metric: str, message: str) -> None:
    path = written(tmp_path / "j", {"id": "x", "completion": "[[1]]", "judge": judge})
    result = sft("score", path, "--metric", metric)
    assert (result.code, f"{path}:1: {message}" in result.err) == (2, True), result.err


@pytest.mark.parametrize("judge", ["me", ["x"], {"pair": ["x"]}, None])
def test_a_field_of_that_name_with_something_else_is_no_concern(sft: Any, tmp_path: Path, judge: Any) -> None:
    path = written(tmp_path / "j", {"id": "x", "completion": "[[1]]", "judge": judge})
    for metric, name in (("judge-pairwise", "judge-pairwise"), ("judge-rating", "judge-rating")):
        result = sft("score", path, "--metric", metric, "--summary", tmp_path / f"{name}.json")
        said = f"{path}: --metric {metric}: no row counts (1 not judged)"
        assert (result.code, said in result.err) == (2, True), result.err


def test_ratings_none_of_which_can_be_read_stop_a_build(sft: Any, tmp_path: Path) -> None:
    judge = {"kind": "rating", "lowest": 1, "highest": 10}
    path = written(tmp_path / "j", *({"id": name, "completion": "?", "judge": judge} for name in "xy"))
    result = sft("score", path, "--metric", "judge-rating", "-o", tmp_path / "s.jsonl")
    assert (result.code, "no row counts (2 unread)" in result.err) == (2, True), result.err
    assert not (tmp_path / "s.jsonl").exists()


def test_a_judge_is_a_model_that_generate_asks(sft: Any, tmp_path: Path, tiny: Path) -> None:
    base, other = (generations(tmp_path / name, {"x": f"{name} x", "y": f"{name} y"}) for name in ("base", "other"))
    template = tmp_path / "short.j2"  # for the tiny model's context of 256 tokens
    for kind, files, text in (
        ("pairwise", (base, other), "{{ first }} {{ second }}"),
        ("rating", (base,), "{{ answer }}"),
    ):
        template.write_text(text)
        asked, answered = tmp_path / f"{kind}.judge", tmp_path / f"{kind}.judged"
        assert sft("prep", "--judge", kind, *files, "--judge-template", template, "-o", asked).code == 0
        command = ("generate", tiny, asked, "--max-new-tokens", 4, "--dtype", "float32", "-o", answered)
        result = sft(*command)
        assert result.code == 0, result.err
        result = sft("score", answered, "--metric", f"judge-{kind}", "--metric", "repetition:n=1")
        assert result.code == 0, result.err
        found = [row["stats"][f"judge-{kind}"] for row in result.rows if f"judge-{kind}" in row["stats"]]
        assert sum(sums["count"] + sums.get("unread", 0) for sums in found) == 2
