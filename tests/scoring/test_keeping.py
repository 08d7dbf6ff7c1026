"""`sft prep` makes training rows of generations, and loses none of them without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def generation(name: str, completion: str | None, sample: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "messages": [{"role": "user", "content": f"{name}?"}],
        "references": ["yes"],
        "completion": completion,
        "sample": sample,
        "finish_reason": "stop",
        "completion_tokens": len(completion or ""),
        **more,
    }


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_completion_becomes_the_answer_and_keeps_where_it_came_from(sft: Any, here: Path) -> None:
    path = write(here / "a.gen.jsonl", generation("a", "yes"), generation("a", "yes!", sample=1))
    result = sft("prep", path)
    assert result.code == 0
    assert [row["messages"][-1] for row in result.rows] == [
        {"role": "assistant", "content": "yes"},
        {"role": "assistant", "content": "yes!"},
    ]
    assert [row["id"] for row in result.rows] == ["a", "a-s1"]
    assert result.rows[1]["generated"] == {"sample": 1, "finish_reason": "stop"}
    assert "completion" not in result.rows[0]
    assert "format: generations (detected from the first record of " in result.err


def test_as_questions_generations_are_asked_once_more(sft: Any, here: Path) -> None:
    path = write(here / "a.gen.jsonl", generation("a", "no"))
    for flag in ("--eval", "--prompts"):
        (row,) = sft("prep", path, flag).rows
        assert [turn["role"] for turn in row["messages"]] == ["user"]
        assert ("completion" in row, "sample" in row, row["references"]) == (False, False, ["yes"])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (generation("a", "", finish_reason="error"), "completion: expected an answer, got a generation that failed"),
        (generation("a", "ye", finish_reason="length"), "completion: expected a whole answer, got one that was cut at"),
        (generation("a", None), "completion: expected text, got null"),
        (generation("a", " "), 'completion: expected text, got " "'),
    ],
)
def test_what_is_no_answer_is_a_bad_row(sft: Any, here: Path, row: dict[str, Any], problem: str) -> None:
    result = sft("prep", write(here / "a.gen.jsonl", row))
    assert (result.code, problem in result.err) == (2, True), result.err


def test_conditions_choose_and_each_row_left_out_is_counted(sft: Any, here: Path) -> None:
    rows = [generation("a", "yes"), generation("b", "no"), generation("c", "yes", finish_reason="length")]
    rows += [generation("d", "yes", completion_tokens=900), generation("e", "", finish_reason="error")]
    path = write(here / "a.gen.jsonl", *rows)
    result = sft("prep", path, "--keep", "exact_match == 1", "--keep", "completion_tokens <= 200")
    assert [row["id"] for row in result.rows] == ["a"]
    for line in (
        "5  read\n",
        "1  left out: exact_match == 1 is not true\n",
        "1  left out: completion_tokens <= 200 is not true\n",
        "1  left out: cut at the token limit\n",
        "1  left out: the generation failed\n",
        "1  written\n",
    ):
        assert line in result.err, result.err


def test_the_best_sample_of_each_prompt(sft: Any, here: Path) -> None:
    rows = [generation("a", text, sample) for sample, text in enumerate(["no", "yes it is", "yes", "yes"])]
    path = write(here / "a.gen.jsonl", *rows, generation("b", "no"))
    result = sft("prep", path, "--keep-best", "rouge-l")
    assert [(row["id"], row["messages"][-1]["content"]) for row in result.rows] == [("a-s2", "yes"), ("b", "no")]
    assert "3  left out: another sample of the prompt has a better rouge_l.f\n" in result.err
    both = sft("prep", path, "--keep", "rouge_l.f >= 0.5", "--keep-best", "rouge_l.p")
    assert [row["id"] for row in both.rows] == ["a-s2"]


def test_fields_of_a_check_can_choose_too(sft: Any, here: Path) -> None:
    rows = [generation("a", "yes", verification={"score": 1.0}), generation("b", "no", verification={"score": 0.2})]
    result = sft("prep", write(here / "a.jsonl", *rows), "--keep", "verification.score >= 0.5")
    assert [row["id"] for row in result.rows] == ["a"]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--keep", "exact_match = 1"), "--keep 'exact_match = 1': expected a value, one of ==, !=,"),
        (("--keep", "exact_match == 1.2.3"), "--keep 'exact_match == 1.2.3': expected a number, got 1.2.3"),
        (("--keep", "exakt == 1"), "--keep: 'exakt' is neither a value of a metric nor a field of the rows"),
        (("--keep", "rouge_l.x == 1"), "--keep: rouge-l has no value 'rouge_l.x'. Known: rouge_l.p"),
        (("--keep", "consistency == 1"), "--keep consistency: expected a metric of one completion, got consistency"),
        (("--keep", "messages == 1"), "--keep: messages: expected a number, got ["),
        (("--keep-best", "length"), "--keep-best length: expected a metric"),
        (("--keep", "exact_match == 1", "--eval"), "--keep, --keep-best: have an effect only on rows to learn from"),
    ],
)
def test_what_cannot_choose_is_refused(sft: Any, here: Path, flags: tuple[str, ...], problem: str) -> None:
    result = sft("prep", write(here / "a.gen.jsonl", generation("a", "yes")), *flags)
    assert (result.code, problem in result.err) == (2, True), result.err
