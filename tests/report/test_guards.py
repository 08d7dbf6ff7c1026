"""What must be equal before two files are compared, and what is said of cut answers, clusters and pairs of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sft_cli.run.manifest import file_hash

ROW = {"prompt_hash": "00000000000000aa", "references_hash": "00000000000000bb"}


def generated(folder: Path, name: str, answers: list[str], **settings: Any) -> Path:
    """Generations with the manifest that `sft generate` would write beside them."""
    path = folder / f"{name}.gen.jsonl"
    rows = [
        {"id": f"r{n}", "messages": [{"role": "user", "content": f"{n}?"}], "references": ["yes"], "completion": answer}
        for n, answer in enumerate(answers)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {"model": f"runs/{name}", "temperature": None, "max_new_tokens": 256, "batch_tokens": 8, **settings}
    made = {"command": "generate", "config": config, "outputs": [{"path": str(path), "sha256": file_hash(path)}]}
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps(made))
    return path


def scored(sft: Any, generations: Path) -> Path:
    out = generations.with_name(generations.name.replace(".gen", ""))
    assert sft("score", generations, "--metric", "exact-match", "-q", "-o", out).code == 0
    return out


def test_answers_of_other_settings_are_refused_unless_that_is_what_is_compared(sft: Any, tmp_path: Path) -> None:
    answers = ["yes", "no"] * 5
    base = scored(sft, generated(tmp_path, "base", answers))
    tuned = scored(sft, generated(tmp_path, "tuned", answers, temperature=0.7, max_new_tokens=64, batch_tokens=99))
    refused = sft("compare", base, tuned)
    assert refused.code == 2
    assert refused.err == (
        "sft compare: the answers were generated with other settings: max_new_tokens: 256 in base, 64 in tuned "
        "(and 1 more: temperature)\nhint: --allow-different max-new-tokens, if that is what you want to compare\n"
    )
    told = sft("compare", base, tuned, "--allow-different", "max-new-tokens", "--allow-different", "temperature")
    assert told.code == 0
    assert "max_new_tokens: 256 in base, 64 in tuned; temperature: not set in base, 0.7 in tuned.\n" in told.out
    unknown = sft("compare", base, tuned, "--allow-different", "top-k")
    assert "--allow-different top-k: expected a setting that differs, got one that is equal or unknown" in unknown.err


def test_equal_settings_need_no_words(sft: Any, tmp_path: Path) -> None:
    base, tuned = (scored(sft, generated(tmp_path, name, ["yes"] * 6)) for name in ("base", "tuned"))
    result = sft("compare", base, tuned)
    assert (result.code, "settings of sft generate" in result.out) == (0, False)


def test_answers_that_have_changed_since_have_unknown_settings(sft: Any, tmp_path: Path) -> None:
    base, tuned = (generated(tmp_path, name, ["yes"] * 6) for name in ("base", "tuned"))
    tuned.write_text(tuned.read_text().replace('completion": "yes', 'completion": "no'))
    result = sft("compare", scored(sft, base), scored(sft, tuned))
    assert "settings of sft generate: not compared, no manifest for the answers of tuned.\n" in result.out


def scores(path: Path, values: list[int], cut: tuple[int, ...] = (), **fields: Any) -> Path:
    rows = [
        {
            **({"finish_reason": "length"} if n in cut else {}),
            "id": n,
            **ROW,
            **{name: values_of[n] for name, values_of in fields.items()},
            "metrics": {"exact_match": value},
            "stats": {"exact-match": {"correct": value, "count": 1}},
        }
        for n, value in enumerate(values)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_cut_answers_that_explain_a_difference_are_named(sft: Any, tmp_path: Path) -> None:
    base = scores(tmp_path / "base.jsonl", [1] * 20, cut=(3,))
    tuned = scores(tmp_path / "tuned.jsonl", [0] * 8 + [1] * 12, cut=tuple(range(8)))
    line = (
        "warning: exact_match: tuned has 8 answers that were cut at the token limit, base has 1; without these rows "
        "the difference is +0.0000, with them -0.4000\n"
    )
    assert line in sft("compare", base, tuned).err
    elsewhere = scores(tmp_path / "elsewhere.jsonl", [0] * 8 + [1] * 12, cut=tuple(range(12, 20)))
    assert "cut at the token limit" not in sft("compare", base, elsewhere).err


def test_score_says_which_answers_were_cut(sft: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.gen.jsonl"
    row = {"id": 1, "completion": "no end", "references": ["x"], "finish_reason": "length", "completion_tokens": 2}
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": 2, "finish_reason": "stop"}) + "\n")
    first, second = sft("score", path, "--metric", "exact-match").rows
    assert (first["finish_reason"], "finish_reason" in second) == ("length", False)


def test_rows_of_one_document_are_one_unit_of_evidence(sft: Any, tmp_path: Path) -> None:
    documents = [f"d{n // 5}" for n in range(30)]
    base = scores(tmp_path / "base.jsonl", [0] * 30, document=documents)
    tuned = scores(tmp_path / "tuned.jsonl", [1] * 15 + [0] * 15, document=documents)
    (alone,) = json.loads(sft("compare", base, tuned, "--json").out)["comparisons"]
    (together,) = json.loads(sft("compare", base, tuned, "--cluster", "document", "--json").out)["comparisons"]
    assert (alone["clusters"], together["clusters"], together["n"]) == (30, 6, 30)
    assert (alone["verdict"], together["verdict"]) == ("better", "too little data")
    assert together["p"] == pytest.approx(0.25)  # 2 of the 2³ swaps of three documents that differ


def test_all_pairs_of_files(sft: Any, tmp_path: Path) -> None:
    files = [
        scores(tmp_path / f"{name}.jsonl", [1] * n + [0] * (20 - n)) for name, n in (("a", 2), ("b", 9), ("c", 18))
    ]
    found = json.loads(sft("compare", *files, "--all-pairs", "--json").out)["comparisons"]
    assert [(one["base"], one["other"]) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    raw = sorted(one["p"] for one in found)
    assert sorted(one["p_holm"] for one in found)[0] == pytest.approx(3 * raw[0])
