"""`sft compare --forgetting`, and the figures it is made of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_command import run_command

from sft_cli.report import forgetting_matrix as matrix

# Three tasks; the second got better after it was learned, the first was forgotten and came back in part.
R = np.array([[0.1, 0.2, 0.3], [0.9, 0.3, 0.3], [0.2, 0.7, 0.5], [0.4, 0.8, 0.6]])
LEARNED = (0, 1, 2)


@pytest.fixture
def sft(monkeypatch: Any, capsys: Any) -> Any:
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


def test_figures_equal_their_formulas_by_hand() -> None:
    assert matrix.average(R, LEARNED) == pytest.approx((0.4 + 0.8 + 0.6) / 3)
    assert matrix.learning(R, LEARNED) == pytest.approx((0.9 + 0.7 + 0.6) / 3)
    assert matrix.backward_transfer(R, LEARNED) == pytest.approx(((0.4 - 0.9) + (0.8 - 0.7)) / 2)
    assert matrix.forgetting(R, LEARNED) == pytest.approx(((0.9 - 0.4) + (0.7 - 0.8)) / 2)  # the second is negative
    assert matrix.forward_transfer(R, LEARNED) == pytest.approx(((0.3 - 0.2) + (0.5 - 0.3)) / 2)
    assert matrix.below_base(R, [0, 2]) == pytest.approx(((0.1 - 0.4) + (0.3 - 0.6)) / 2)
    joint = np.array([0.95, 0.75, 0.5])
    assert matrix.intransigence(R, joint, LEARNED) == pytest.approx(((0.95 - 0.9) + (0.75 - 0.7) + (0.5 - 0.6)) / 3)


def test_figures_take_any_number_of_draws_and_seeds() -> None:
    many = np.broadcast_to(R, (5, 2, 4, 3))
    for formula in (matrix.average, matrix.learning, matrix.backward_transfer, matrix.forgetting):
        assert np.allclose(formula(many, LEARNED), formula(R, LEARNED))
        assert formula(many, LEARNED).shape == (5, 2)


def test_the_best_stage_since_a_task_was_learned_counts_and_none_before_it() -> None:
    scores = np.array([[1.0, 1.0], [0.5, 0.9], [0.6, 0.2]])
    assert matrix.forgetting(scores, (0, 1)) == pytest.approx(0.5 - 0.6)  # not the base's 1.0
    later = np.array([[0.0, 0, 0], [0.5, 0, 0], [0.8, 0.4, 0], [0.1, 0.4, 0.2]])
    assert matrix.forgetting(later, (0, 1, 2)) == pytest.approx((0.8 - 0.1 + 0.0) / 2)


def scores(path: Path, shares: dict[str, list[int]], nats: dict[str, list[float]] | None = None) -> Path:
    """A score file: right (1) or wrong (0) by task, and the loss of ten tokens for rows of text."""
    rows = []
    for task, values in shares.items():
        for place, value in enumerate(values):
            stats = {"exact-match": {"correct": value, "count": 1}}
            rows.append({"id": f"{task}{place}", "task": task, "metrics": {"exact_match": value}, "stats": stats})
    for task, losses in (nats or {}).items():
        for place, loss in enumerate(losses):
            stats = {"perplexity:of=text": {"nats": loss, "tokens": 10, "count": 1}}  # type: ignore[dict-item]
            rows.append({"id": f"{task}{place}", "task": task, "metrics": {}, "stats": stats})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def stages(tmp_path: Path) -> list[Path]:
    """Two tasks of ten rows, one that was not trained, and text."""
    before = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    return [
        scores(tmp_path / "base.jsonl", {"A": before, "B": [0] * 10, "G": [1, 1, 0, 1]}, {"T": [20.0, 30.0]}),
        scores(tmp_path / "a.jsonl", {"A": [1] * 9 + [0], "B": [0] * 10, "G": [1, 1, 0, 0]}, {"T": [21.0, 31.0]}),
        scores(
            tmp_path / "b.jsonl", {"A": [1] * 3 + [0] * 7, "B": [1] * 8 + [0] * 2, "G": [0] * 4}, {"T": [22.0, 36.0]}
        ),
    ]


def test_golden(sft: Any, stages: list[Path]) -> None:
    command = ("compare", "--forgetting", *stages, "--learned", "A", "--learned", "B", "--general-text", "T")
    result = sft(*command)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(
        "exact_match ↑       A       B       G\n"
        "base           0.1000  0.0000  0.7500\n"
        "after A        0.9000  0.0000  0.5000\n"
        "after B        0.3000  0.8000  0.0000\n"
        "rows               10      10       4\n"
        "\n"
        "                     value        95% interval  what it is\n"
        "average             0.5500    [0.3500, 0.7500]  average of"
    )
    assert "backward transfer  -0.6000  [-0.9000, -0.3000]  now less" in result.out
    assert "forgetting         +0.6000  [+0.3000, +0.9000]  best since" in result.out
    assert "general change     -0.7500  [-1.0000, -0.2500]  tasks that were not trained" in result.out
    assert "delta nll:T        +0.4000  [+0.2000, +0.6000]  loss of general text" in result.out
    assert "interval: holds 95% of 10,000 resamples of the rows; all stages share each resample.\n" in result.out
    document = json.loads(sft(*command, "--json").out)
    assert document["matrix"] == [[0.1, 0.0, 0.75], [0.9, 0.0, 0.5], [0.3, 0.8, 0.0]]
    assert document["figures"]["forgetting"]["value"] == pytest.approx(0.6)
    assert document["tasks"] == ["A", "B", "G"]
    assert "| forgetting | +0.6000 |" in sft(*command, "--markdown").out


def test_seeds_and_a_joint_run(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    other = scores(tmp_path / "b2.jsonl", {"A": [1] * 9 + [0], "B": [1] * 10, "G": [0] * 4}, {"T": [22.0, 36.0]})
    joint = scores(tmp_path / "j.jsonl", {"A": [1] * 10, "B": [1] * 10, "G": [0] * 4}, {"T": [22.0, 36.0]})
    learned = ("--learned", "A", "--learned", "B", "--base-samples", "T", "--json")
    command = ("compare", "--forgetting", *stages[:2], f"{stages[2]},{other}", *learned, "--joint", joint)
    found = json.loads(sft(*command).out)
    assert found["seeds"] == 2
    assert found["figures"]["forgetting"]["seeds"] == pytest.approx([0.6, 0.0])
    assert found["figures"]["forgetting"]["value"] == pytest.approx(0.3)
    low, high = found["figures"]["forgetting"]["interval"]
    assert low <= 0.01  # the seed that forgot nothing may be drawn twice
    assert high >= 0.6
    assert found["figures"]["intransigence"]["value"] == pytest.approx(((1 - 0.9) + (1 - 0.9)) / 2)
    assert found["figures"]["kl_to_base:T"]["value"] == pytest.approx(0.4)


def test_a_report_is_current_only_while_every_file_is(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    joint = tmp_path / "joint.jsonl"
    joint.write_text(stages[2].read_text())
    command = ["compare", "--forgetting", *stages[:2], f"{stages[2]},{stages[1]}", "--learned", "A", "--learned", "B"]
    command += ["--general-text", "T", "--joint", joint, "-o", tmp_path / "out", "--skip-if-current"]
    for changed in (None, stages[2], stages[1], joint):
        if changed is not None:
            changed.write_text(changed.read_text().replace('"correct": 1', '"correct": 0', 1))
        assert "is current" not in sft(*command).err
        assert "is current" in sft(*command).err


def test_rows_that_a_stage_lacks_are_left_out_everywhere_and_told(sft: Any, stages: list[Path]) -> None:
    lines = stages[1].read_text().splitlines(keepends=True)
    stages[1].write_text("".join(line for line in lines if '"A9"' not in line))
    learned = ("--learned", "A", "--learned", "B", "--general-text", "T")
    result = sft("compare", "--forgetting", *stages, *learned, "--json")
    assert "warning: A: 1 of 10 rows are not in every file and are left out\n" in result.err
    assert json.loads(result.out)["matrix"][1][0] == 1.0
    assert json.loads(result.out)["rows"]["A"] == 9


def test_a_metric_of_which_less_is_better_forgets_upwards(sft: Any, tmp_path: Path) -> None:
    def errors(name: str, of_a: float, of_b: float) -> Path:
        rows = [
            {
                "id": f"{task}{n}",
                "task": task,
                "metrics": {},
                "stats": {"ter": {"edits": edits, "reference_length": 10, "count": 1}},
            }
            for task, edits in (("A", of_a), ("B", of_b))
            for n in range(3)
        ]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    files = (errors("0.jsonl", 9, 9), errors("1.jsonl", 1, 9), errors("2.jsonl", 6, 2))
    found = json.loads(sft("compare", "--forgetting", *files, "--learned", "A", "--learned", "B", "--json").out)
    assert not found["higher_is_better"]
    scale = found["matrix"][0][0] / 9  # per edit, whatever the metric's unit is
    assert found["figures"]["forgetting"]["value"] == pytest.approx(5 * scale)
    assert found["figures"]["backward_transfer"]["value"] == pytest.approx(-5 * scale)


def test_what_is_wrong_is_told(sft: Any, stages: list[Path], tmp_path: Path) -> None:
    def refusal(*words: Any) -> str:
        result = sft("compare", *words)
        assert (result.code, result.out) == (2, "")
        return str(result.err)

    both = ("--learned", "A", "--learned", "B")
    assert "--learned: expected --forgetting beside it" in refusal(*stages, *both)
    assert "--joint: expected --forgetting beside it" in refusal(*stages, "--joint", stages[0])
    few = refusal("--forgetting", *stages, "--learned", "A")
    assert (
        "--learned: expected one task for each file after the first, in order, and at least two; got 1 task and 3"
        in few
    )
    assert "--learned: expected each task once" in refusal("--forgetting", *stages, "--learned", "A", "--learned", "A")
    near = refusal("--forgetting", *stages, "--learned", "A", "--learned", "b")
    assert "--learned: no row is of the task 'b'." in near
    assert "--fail-if-worse: does not go with --forgetting" in refusal(
        "--forgetting", *stages, *both, "--fail-if-worse", "exact-match"
    )
    assert "--metric: expected one with --forgetting, got 2" in refusal(
        "--forgetting", *stages, *both, "--metric", "a", "--metric", "b"
    )
    seeds = refusal("--forgetting", stages[0], f"{stages[1]},{stages[1]}", ",".join([str(stages[2])] * 3), *both)
    assert "expected 3 files, one for each seed, or one for all; got 2" in seeds
    nothing = scores(tmp_path / "n.jsonl", {"A": [1], "X": [1]})
    assert "B: no id and sample is in all files\nhint: score the same rows" in refusal(
        "--forgetting", *stages[:2], nothing, *both
    )
    texts = refusal("--forgetting", *stages, *both, "--general-text", "G", "--base-samples", "T")
    assert "has no perplexity\nhint: sft generate --logprobs" in texts
    unlike = refusal("--forgetting", *stages, *both)
    assert "--metric: the rows of the tasks have no metric in common\nhint: score all with one; tasks of raw" in unlike
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"id": 1, "metrics": {}, "stats": {}}\n')
    assert "row 1: task: expected text, got nothing" in refusal("--forgetting", *stages[:2], bare, *both)


def test_an_interval_covers_what_it_should() -> None:
    """95 % of intervals of the mean of 60 coins, of three stages that are one, hold the truth."""
    generator, held = np.random.default_rng(0), 0
    for trial in range(200):
        right = generator.random((1, 1, 60)) < 0.6
        sums = np.stack([right, np.ones_like(right)], -1).astype(float)
        task = matrix.TaskSums("t", sums, lambda totals: totals[:, 0] / totals[:, 1])
        drawn = matrix.resampled_scores([task], 500, trial)[:, :, 0, 0]
        found = matrix.figure(matrix.whole_scores([task])[:, 0, 0], drawn, matrix.seed_draws(500, 1, trial), 0.95)
        assert found.interval is not None
        held += found.interval[0] - 1e-9 <= 0.6 <= found.interval[1] + 1e-9
    assert abs(held / 200 - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 200) + 0.01
