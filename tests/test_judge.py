"""From two files of generations to a judge's verdict, by the commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_command import run_command

from sft_cli.metrics.judge_pairwise import read_verdict
from sft_cli.metrics.judge_rating import read_rating


@pytest.fixture
def sft(monkeypatch: Any, capsys: Any) -> Any:
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


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
        ("Answer A is better", None),
        ("", None),
        (None, None),
    ],
)
def test_verdicts_are_read_by_rule(completion: str | None, verdict: str | None) -> None:
    assert read_verdict(completion) == verdict


@pytest.mark.parametrize(
    ("completion", "rating"),
    [
        ("[[3]] or rather [[7.5]]", 7.5),
        ("[[8/10]]", 8),
        ("9", 9),
        ("【6】", 6),
        ("[[11]]", None),
        ("7 of 10", None),
        (None, None),
    ],
)
def test_ratings_are_read_by_rule(completion: str | None, rating: float | None) -> None:
    assert read_rating(completion, 1, 10) == rating


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


def test_a_template_of_ones_own(sft: Any, tmp_path: Path) -> None:
    answers, template = generations(tmp_path / "a.jsonl", {"x": "42"}), tmp_path / "t.j2"
    template.write_text("Q: {{ question }} A: {{ answer }}. Good?")
    command = ("prep", "--judge", "rating", answers, "--judge-template", template)
    assert sft(*command).rows[0]["messages"][0]["content"] == "Q: What is x? A: 42. Good?"
    template.write_text("line\n{{ question")
    assert f"{template}:2: unexpected end of template" in sft(*command).err
    template.write_text("{{ nothing }}")
    assert f"--judge-template: {template}: 'nothing' is undefined" in sft(*command).err
    assert "no.j2: cannot read: No such file" in sft(*command[:-1], tmp_path / "no.j2").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "--judge-template", "a"), "--judge-template: only --judge reads it"),
        (("a", "--judge", "pairwise"), "--judge pairwise: expected two files, the base and the other one, got 1"),
        (("a", "a", "--judge", "rating"), "--judge rating: expected one file of generations, got 2"),
        (("a", "--judge", "rating", "--eval"), "--eval: says nothing with --judge"),
        (("bad", "--judge", "rating"), "bad:1: completion: expected text, got null; --judge reads"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(sft: Any, tmp_path: Path, monkeypatch: Any, words: Any, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    generations(tmp_path / "a", {"x": "1"})
    (tmp_path / "bad").write_text('{"id": "x", "messages": []}\n')
    result = sft("prep", *words)
    assert (result.code, message in result.err) == (2, True), result.err
