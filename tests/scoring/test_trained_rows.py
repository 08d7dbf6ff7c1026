"""`sft score` finds the training rows of a model by its manifests, and `sft compare` repeats what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.run.manifest import file_hash

QUESTIONS = [f"What is the name of planet number {number} beyond Neptune?" for number in range(8)]


def chat(question: str, answer: str) -> str:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}) + "\n"


def trained(name: str, questions: list[str], model: str = "base") -> None:
    """A training file, and the manifest of a model that was trained on it."""
    Path(f"{name}.train.jsonl").write_text("".join(chat(question, f"It is {name}.") for question in questions))
    entry = {"path": f"{name}.train.jsonl", "sha256": file_hash(Path(f"{name}.train.jsonl"))}
    recorded = {"command": "train", "config": {"data": [entry["path"]], "model": model}, "inputs": [entry]}
    Path(name).mkdir()
    Path(name, "manifest.json").write_text(json.dumps(recorded))


def answered(name: str, model: str) -> str:
    rows = [
        {"id": f"q{n}", "messages": [{"role": "user", "content": question}], "references": ["x"], "completion": "x"}
        for n, question in enumerate(QUESTIONS)
    ]
    path = Path(f"{name}.gen.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = {
        "command": "generate",
        "config": {"model": model},
        "outputs": [{"path": str(path), "sha256": file_hash(path)}],
    }
    Path(f"{path}.meta.json").write_text(json.dumps(made))
    return str(path)


def score(sft: Any, generations: str, *more: str) -> Any:
    out = generations.replace(".gen", "")
    return sft("score", generations, "--metric", "exact-match", "--draws", "0", "-o", out, "--force", *more)


def test_rows_of_all_trainings_on_the_way_back_are_found_and_compare_says_so(here: Path, sft: Any) -> None:
    trained("first", QUESTIONS[:2])
    trained("second", QUESTIONS[4:5], model="first")
    result = score(sft, answered("tuned", "second"))
    assert "warning: the training rows contain 3 of 8 rows (3 with question)" in result.err
    assert "first: tuned.gen.jsonl:1 is in first.train.jsonl:1 (same text): What is the name of" in result.err
    summary = json.loads(Path("tuned.jsonl.summary.json").read_text())["trained"]
    assert [(each["line"], each["training_row"]) for each in summary["examples"]] == [
        (1, "first.train.jsonl:1"),
        (2, "first.train.jsonl:2"),
        (5, "second.train.jsonl:1"),
    ]
    assert (summary["files"], summary["training_rows"]) == (["second.train.jsonl", "first.train.jsonl"], 3)
    assert score(sft, answered("base", "base")).err.count("training") == 0
    compared = sft("compare", "base.jsonl", "tuned.jsonl")
    assert "\ntuned: the training rows contain 3 of 8 test rows; --explain --train FILE looks at them alone\n" in (
        compared.out
    )


def test_no_row_in_training_is_counted_and_not_reported(here: Path, sft: Any) -> None:
    trained("tuned", ["What is the colour of the third planet of the sun Aldebaran?"])
    assert "training" not in score(sft, answered("tuned", "tuned")).err
    assert json.loads(Path("tuned.jsonl.summary.json").read_text())["trained"]["in_training"] == 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "tuned.train.jsonl is not here"),
        (lambda path: path.write_text(chat("a", "b")), "tuned.train.jsonl has another content now"),
    ],
)
def test_training_rows_that_are_gone_are_named(here: Path, sft: Any, spoil: Any, reason: str) -> None:
    trained("tuned", QUESTIONS)
    spoil(Path("tuned.train.jsonl"))
    told = f"not compared with all training rows: {reason}; --train FILE compares them\n"
    assert told in score(sft, answered("tuned", "tuned")).err


def test_large_training_files_are_read_only_if_asked(here: Path, sft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sft_cli.scoring.trained_rows.LARGEST_UNASKED", 1000)
    trained("tuned", QUESTIONS * 20)
    told = "not compared with all training rows: tuned.train.jsonl: 0 MB, more than 0 MB; --train FILE compares them"
    assert told in score(sft, answered("tuned", "tuned")).err
    assert "contain 8 of 8 rows" in score(sft, "tuned.gen.jsonl", "--train", "tuned.train.jsonl").err


def test_training_rows_need_generations_that_can_be_read_twice(here: Path, sft: Any) -> None:
    Path("t.jsonl").write_text(chat("a", "b"))
    result = sft("score", "--metric", "exact-match", "--train", "t.jsonl", stdin=b'{"id": "a", "completion": "b"}\n')
    assert result.code == 2
    assert "--train: expected a file of generations, because it reads them twice, got stdin" in result.err
