"""A run that leaves its model worse than it found it says so, and is marked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sft_cli.training.watching.divergence import divergence


def lines(losses: list[float], held_out: tuple[float, ...] = ()) -> list[dict[str, float]]:
    return [{"loss": loss} for loss in losses] + [{"eval_loss": loss} for loss in held_out]


@pytest.mark.parametrize(
    ("losses", "held_out", "why"),
    [
        ([2.0, 661622.0], (), "the loss has risen from 2 to 6.616e+05"),
        ([2.0] * 30 + [9.0, 7.0, 8.0], (), "the loss has risen from 2 to 8"),  # means of three steps
        ([2.0] * 30, (1.5, 1.2, 3.5), "the held-out loss has risen from 1.5 to 3.5"),
        ([2.0], (1.0, 2.5), "the held-out loss has risen from 1 to 2.5"),
        ([2.0] * 5, (1.0, math.nan), "the held-out loss has risen from 1 to nan"),
        ([2.0, 3.9], (), None),  # not twice
        ([0.01, 0.9], (), None),  # not a nat
        ([2.0] * 10 + [9.0] + [1.0] * 10, (2.0, 9.0, 1.0), None),  # it came back
        ([], (), None),
        ([5.0], (), None),
    ],
)
def test_a_loss_has_diverged_when_it_is_twice_what_it_was_and_a_nat_more(
    losses: list[float], held_out: tuple[float, ...], why: str | None
) -> None:
    assert divergence(lines(losses, held_out)) == why


def test_a_run_that_diverges_is_told_and_marked(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "--eval-data", rows_file, "--batch-size", 4, "--dtype", "float32")
    wild = ("--learning-rate", 30, "--epochs", 4, "--schedule", "constant", "--warmup", 0)
    result = sft(*command, *wild, "-o", tmp_path / "wild", "--quiet")
    assert result.code == 0  # there is a checkpoint; a build looks at the mark
    assert "sft train: the run has diverged: the loss has risen from " in result.err
    assert "hint: use a lower --learning-rate (it was 30)" in result.err
    assert json.loads((tmp_path / "wild" / "manifest.json").read_text())["run"]["diverged"] is True
    assert "| diverged | the loss has risen from " in (tmp_path / "wild" / "README.md").read_text()
    calm = sft(*command, "--learning-rate", 1e-3, "-o", tmp_path / "calm")
    run = json.loads((tmp_path / "calm" / "manifest.json").read_text())["run"]
    assert ("diverged" in calm.err, run["diverged"]) == (False, False)
    assert run["held-out loss"]["after"] < run["held-out loss"]["before"]
    steps = [json.loads(line) for line in (tmp_path / "calm" / "metrics.jsonl").read_text().splitlines()]
    assert steps[0] == {"step": 0, "epoch": 0, "eval_loss": run["held-out loss"]["before"], **tasks(steps[0])}
    assert [line["step"] for line in steps] == [0, 1, 2]


def tasks(line: dict[str, Any]) -> dict[str, Any]:
    return {"eval_task_loss": line["eval_task_loss"]}
