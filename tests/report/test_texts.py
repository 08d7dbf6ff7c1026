"""Texts beside scores: found by the manifest, checked by hash and prompt, and refused where they do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def generations(path: Path, answers: list[str], **more: Any) -> None:
    rows = [
        {
            "id": f"q{place}",
            "messages": [{"role": "user", "content": f"What is {place}?"}],
            "references": ["yes"],
            "completion": answer,
            "sample": 0,
            "finish_reason": "stop",
            **more,
        }
        for place, answer in enumerate(answers)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def scored(here: Path, sft: Any) -> Path:
    """base.jsonl and tuned.jsonl, scored from base.gen.jsonl and tuned.gen.jsonl; one row of six became worse."""
    generations(here / "base.gen.jsonl", ["yes"] * 6)
    generations(here / "tuned.gen.jsonl", ["yes"] * 5 + ["no"])
    for name in ("base", "tuned"):
        assert sft("score", f"{name}.gen.jsonl", "--metric", "exact-match", "-q", "-o", f"{name}.jsonl").code == 0
    return here


SHOW = ("compare", "base.jsonl", "tuned.jsonl", "--show-worse", 1)


def test_generations_beside_the_scores_are_found_after_a_move(scored: Path, sft: Any) -> None:
    moved = scored / "moved"
    moved.mkdir()
    for path in list(scored.glob("*.jsonl*")):
        path.rename(moved / path.name)
    result = sft("compare", "moved/base.jsonl", "moved/tuned.jsonl", "--show-worse", 1)
    assert result.code == 0
    assert "texts: moved/base.gen.jsonl, moved/tuned.gen.jsonl (named by the manifests" in result.err
    assert "question   What is 5?" in result.out


def test_texts_that_have_changed_since_are_refused(scored: Path, sft: Any) -> None:
    generations(scored / "tuned.gen.jsonl", ["yes"] * 5 + ["perhaps"])
    result = sft(*SHOW)
    assert (result.code, result.out) == (2, "")
    assert "tuned.gen.jsonl: expected the file that tuned.jsonl was made from (sha256 " in result.err
    assert "got another content\nhint: run sft score again, or name the file with --texts" in result.err


def test_without_a_manifest_the_flag_is_named(scored: Path, sft: Any) -> None:
    (scored / "tuned.jsonl.meta.json").unlink()
    result = sft(*SHOW)
    assert result.code == 2
    assert "tuned.jsonl: texts: expected tuned.jsonl.meta.json to name the generations, got none" in result.err
    assert "hint: --texts FILE, once for each score file, names the generations" in result.err


def test_missing_generations_are_named(scored: Path, sft: Any) -> None:
    (scored / "tuned.gen.jsonl").unlink()
    result = sft(*SHOW)
    assert (result.code, result.out) == (2, "")
    assert "tuned.gen.jsonl: texts: expected the generations of tuned.jsonl, got no such file" in result.err


def test_scores_from_stdin_have_no_manifest(scored: Path, sft: Any) -> None:
    result = sft("compare", "base.jsonl", "-", "--show-worse", 1, stdin=(scored / "tuned.jsonl").read_bytes())
    assert result.code == 2
    assert "<stdin>: texts: expected generations, got scores without a manifest" in result.err


TEXTS = ("--texts", "base.gen.jsonl", "--texts", "other.gen.jsonl")


def test_texts_of_other_prompts_are_refused(scored: Path, sft: Any) -> None:
    generations(scored / "other.gen.jsonl", ["yes"] * 6, messages=[{"role": "user", "content": "Another question"}])
    result = sft(*SHOW, *TEXTS)
    assert (result.code, result.out) == (2, "")
    assert "other.gen.jsonl:1: prompt_hash: expected " in result.err
    assert " as in tuned.jsonl:1, got " in result.err
    assert "hint: --texts names the file that sft score read for tuned.jsonl" in result.err


def test_texts_without_a_row_are_refused(scored: Path, sft: Any) -> None:
    generations(scored / "other.gen.jsonl", ["yes"] * 4)
    result = sft(*SHOW, *TEXTS)
    assert result.code == 2
    assert 'other.gen.jsonl: expected a row with the id "q4" and sample 0, as in tuned.jsonl:5, got none' in result.err


def test_a_row_that_occurs_twice_is_refused(scored: Path, sft: Any) -> None:
    text = (scored / "tuned.gen.jsonl").read_text(encoding="utf-8")
    (scored / "other.gen.jsonl").write_text(text + text, encoding="utf-8")
    result = sft(*SHOW, *TEXTS)
    assert result.code == 2
    assert 'other.gen.jsonl:7: id: expected each id and sample once, got "q0" again' in result.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "1: expected a JSON object"),
        ('{"id": []}', "1: id: expected text, got []"),
        ('{"id": "q0", "sample": "a"}', '1: sample: expected a number, got "a"'),
        ('{"id": "q5", "completion": 3}', "1: completion: expected text, got 3"),
        ('{"id": "q5", "references": "a"}', '1: references: expected a list of strings, got "a"'),
    ],
)
def test_a_row_that_is_no_generation_is_named(scored: Path, sft: Any, line: str, message: str) -> None:
    (scored / "other.gen.jsonl").write_text(line + "\n", encoding="utf-8")
    result = sft(*SHOW, *TEXTS)
    assert result.code == 2
    assert f"other.gen.jsonl:{message}" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--texts", "base.gen.jsonl"], "--texts: has an effect only with --show-worse, --show-better, --explain, "),
        (
            ["--texts", "base.gen.jsonl", "--show-worse", 1],
            "--texts: expected it once for each score file, 2 times; got 1",
        ),
        (
            ["--texts", "-", "--texts", "-", "--show-worse", 1],
            "--texts -: expected a file, because texts are read more",
        ),
        (["--run", "."], "--run: has an effect only with --html or --figures"),
        (["--run", ".", "--html", "a.html"], "--run .: expected a directory with metrics.jsonl, got none there"),
        (
            ["--html", "./tuned.jsonl", "--force"],
            "--html ./tuned.jsonl: expected another file than --out and the inputs",
        ),
        (["--html", "a.html", "-o", "a.html"], "--html a.html: expected another file than --out and the inputs, got "),
        (["--show-worse", 0], "--show-worse: expected at least 1, got 0"),
        (["--forgetting", "--show-worse", 1], "--show-worse: has no effect with --forgetting"),
        (["--forgetting", "--texts", "base.gen.jsonl"], "--texts: has no effect with --forgetting"),
    ],
)
def test_flags_without_effect_are_refused(scored: Path, sft: Any, words: list[Any], message: str) -> None:
    result = sft("compare", "base.jsonl", "tuned.jsonl", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_rows_without_a_value_of_their_own_cannot_be_shown(scored: Path, sft: Any) -> None:
    for name in ("base", "tuned"):
        rows = [json.loads(line) for line in (scored / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        text = "".join(json.dumps({**row, "metrics": {}}) + "\n" for row in rows)
        (scored / f"{name}.jsonl").write_text(text, encoding="utf-8")
    result = sft(*SHOW)
    assert result.code == 2
    assert "--show-worse: single rows have no value exact_match" in result.err
    assert "hint: --metric NAME chooses another metric" in result.err


def test_a_list_in_markdown_is_a_block_of_code(scored: Path, sft: Any) -> None:
    result = sft(*SHOW, "--markdown", "--show-better", 1)
    block = result.out.partition("\n```text\n")[2]
    assert block.startswith(
        "1 row with the largest drop of exact_match, tuned against base (1 of 6 rows became worse)\n"
    )
    assert block.endswith(
        "\n0 rows with the largest gain of exact_match, tuned against base (0 of 6 rows became better)\n```\n"
    )


def test_equal_drops_stay_in_the_order_of_the_file(scored: Path, sft: Any) -> None:
    generations(scored / "tuned.gen.jsonl", ["no"] * 6)
    sft("score", "tuned.gen.jsonl", "--metric", "exact-match", "-q", "-o", "tuned.jsonl", "--force")
    document = json.loads(sft(*SHOW[:-1], 3, "--json").out)
    assert [row["id"] for row in document["worse"]] == ["q0", "q1", "q2"]
