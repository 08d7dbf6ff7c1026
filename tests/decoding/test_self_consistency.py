"""One completion of several samples, by the answers they agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.decoding.self_consistency import SelfConsistency, answer_by
from sft_cli.decoding.settings import GenerateSettings


def samples(*texts: str | None, id: str = "a", **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": id, "sample": at, "completion": text or "", "error": "no luck" if text is None else None, **more}
        for at, text in enumerate(texts)
    ]


def kept(rows: list[dict[str, Any]], **flags: Any) -> tuple[list[dict[str, Any]], str]:
    consistency = SelfConsistency(GenerateSettings(model="", samples=len(rows), **flags))
    return list(consistency.rows(rows)), consistency.said()


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        ("none", "As it is.", "As it is."),
        ("number", "3 and 4 make 7, so 7.", "7"),
        ("number", "none", None),
        ("json:answer", 'Sure: {"answer": "Lima", "n": 1} {"answer": "Quito"}', "Lima"),
        ("json:a.b", '{"a": {"b": 3}}', "3"),
        ("json:a", '{"a": {"b": true}}', '{"b": true}'),
        ("json:a.b", '{"a": "b"}', None),
        ("json:a", "no object", None),
        ("regex:[A-D]", "A or B? B", "B"),
        (r"regex:is (\w+)", "it is x; no, it is y", "y"),
        ("regex:z", "a", None),
        ("labels:positive/negative", "It is Negative, not positive.", "negative"),
        ("labels:是/否", "我认为否", "否"),
        ("labels:yes/no", "perhaps", None),
        ("choices", "the cat sat", "cat"),
    ],
)
def test_an_answer_is_read_by_its_rule(rule: str, text: str, answer: str | None) -> None:
    assert answer_by(rule)({"completion": text, "choices": ["dog", "cat"]}) == answer


def test_the_majority_stands_with_its_share() -> None:
    rows = samples("I say 4", "So 5.", None, "Hence 5", "no number") + samples("1", "2", id="b")
    found, _ = kept(rows, consistency="majority", extract="number")
    assert [(row["id"], row["sample"], row["prediction"], row["consistency"]) for row in found] == [
        ("a", 1, "5", 2 / 5),
        ("b", 0, "1", 1 / 2),  # of equally frequent ones the first
    ]
    assert found[0]["predictions"] == ["4", "5", None, "5", None]
    assert found[0]["completion"] == "So 5."
    assert found[0]["samples"] == 5


def test_answers_that_differ_in_case_and_width_are_one() -> None:
    found, _ = kept(samples("Lima", "Quito", "ＬＩＭＡ."), consistency="majority")
    assert (found[0]["completion"], found[0]["consistency"]) == ("Lima", 2 / 3)
    found, _ = kept(samples("the yen", "euro", "Yen."), consistency="majority", extract="none")
    assert (found[0]["completion"], found[0]["consistency"]) == ("the yen", 2 / 3)


def test_numbers_of_another_sign_or_point_are_other_answers() -> None:
    found, _ = kept(samples("5", "-5", "-5.0", "35", "3.5"), consistency="majority", extract="number")
    assert (found[0]["prediction"], found[0]["consistency"]) == ("-5", 2 / 5)
    found, _ = kept(samples("x = 3.50!", "x = 35", "X=3.5", "x = -3.5"), consistency="majority")
    assert (found[0]["completion"], found[0]["consistency"]) == ("x = 3.50!", 1 / 4)


def test_samples_without_an_answer_or_all_failed_keep_a_row() -> None:
    found, _ = kept(samples(None, "no number"), consistency="majority", extract="number")
    assert (found[0]["sample"], found[0]["prediction"], found[0]["consistency"]) == (1, None, 0)
    for how in ("majority", "agreement", "filter"):
        flags = {"min_agreement": 0.5} if how == "filter" else {}
        found, _ = kept(samples(None, None), consistency=how, **flags)
        assert [(row["sample"], row["error"]) for row in found] == [(0, "no luck")]


def test_free_text_keeps_the_sample_nearest_to_the_others() -> None:
    found, _ = kept(samples("x y z", "a b c d", "a b c"), consistency="agreement")
    # F1 of samples 1 and 2: 3 of 4 and 3 of 3 tokens.
    assert (found[0]["sample"], found[0]["consistency"]) == (1, pytest.approx(6 / 7 / 3))
    assert "answer" not in found[0]


def test_prompts_whose_samples_contradict_each_other_are_left_out_and_counted() -> None:
    rows = samples("5", "so 5", "5!") + samples("5", "5", "4", id="b") + samples(None, None, None, id="c")
    found, said = kept(rows, consistency="filter", extract="number")
    assert [row["id"] for row in found] == ["a", "c"]  # a failure is not a contradiction
    assert said == "--consistency filter: 1 prompt of 3 left out: the agreement of their samples is below 1"
    found, _ = kept(rows, consistency="filter", extract="number", min_agreement=0.6)
    assert [row["id"] for row in found] == ["a", "b", "c"]
    texts = samples("a b c", "a b c d") + samples("a b", "c d", id="b")
    found, said = kept(texts, consistency="filter", min_agreement=0.8)
    assert [(row["id"], row["consistency"]) for row in found] == [("a", pytest.approx(6 / 7))]
    assert "1 prompt of 2 left out: the agreement of their samples is below 0.8" in said


def test_an_answer_is_not_read_out_of_a_thought() -> None:
    answers = samples("<think>4 or 5?</think> It is 4", "5? no.</think>4", "<think>5, so")
    found, _ = kept(answers, consistency="majority", extract="number")
    assert found[0]["consistency"] == pytest.approx(2 / 3)
    assert answer_by("number")({"completion": "<think>5, so"}) is None


def test_extract_alone_writes_the_answer_of_every_sample() -> None:
    found, said = kept(samples("I say 4", None, "x"), extract="number")
    assert [row["prediction"] for row in found] == ["4", None, None]
    assert said == ""


def test_generate_writes_one_row_per_prompt(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    flags = ("--max-new-tokens", 5, "--dtype", "float32", "--temperature", 1, "--samples", 3)
    result = sft("generate", tiny, rows_file, *flags, "--consistency", "majority", "--extract", "regex:.", "-o", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert result.code == 0
    assert [row["id"] for row in rows] == [f"r{i}" for i in range(8)]
    assert all(len(row["predictions"]) == 3 for row in rows)
    all_samples = sft("generate", tiny, rows_file, *flags).rows
    assert [row["completion"] for row in rows] == [
        next(each["completion"] for each in all_samples if (each["id"], each["sample"]) == (row["id"], row["sample"]))
        for row in rows
    ]
    filtered = sft("generate", tiny, rows_file, *flags, "--consistency", "filter", "--min-agreement", 0.99)
    assert "--consistency filter: 8 prompts of 8 left out" in filtered.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--consistency", "majority"), "--consistency: expected several samples, got one\nhint: --samples 5"),
        (("--consistency", "agreement", "--samples", 2, "--extract", "number"), "--extract: has no effect with"),
        (("--min-agreement", 0.5), "--min-agreement: has an effect only with --consistency filter"),
        (("--consistency", "filter", "--samples", 2), "--consistency filter: needs --extract, or for free text"),
        (("--extract", "regex:("), "--extract: regex:(: missing ), unterminated subpattern"),
        (("--extract", "numbr"), "--extract: expected one of none, number, line, boxed, marked, json:FIELD, regex:"),
        (("--extract", "json:"), "--extract: expected one of none"),
    ],
)  # fmt: skip
def test_flags_that_say_nothing_are_refused(sft: Any, tiny: Path, rows_file: Path, words: Any, message: str) -> None:
    result = sft("generate", tiny, rows_file, *words)
    assert (result.code, message in result.err) == (2, True), result.err


def test_thoughts_are_no_part_of_what_samples_agree_on() -> None:
    rows = samples("<think>one way</think>Lima", "<think>quite another</think>Lima", "<think>Quito? Lima? I cannot")
    (row,), _ = kept(rows, consistency="agreement")
    assert (row["completion"], row["consistency"]) == ("<think>one way</think>Lima", pytest.approx(1 / 3))
