"""Runs of several processes: their rows, and whether two runs were the same."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import sft
from safetensors.torch import load_file
from training_files import step_lines

# 11 rows, 4 a step: 2 epochs are 6 steps, with a row less in every third.
QUICK = (
    "--threads",
    1,
    "--dtype",
    "float32",
    "--learning-rate",
    1e-2,
    "--batch-size",
    4,
    "--epochs",
    2,
    "--microbatch-tokens",
    60,
)
HOW: dict[str, tuple[Any, ...]] = {"ddp": (), "fsdp2": ("--shard",)}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(folder: Path) -> list[dict[str, Any]]:
    return step_lines(folder)


def assert_same_run(one: Path, two: Path, file: str) -> None:
    """Losses, gradient norms and weights are equal; every file that one wrote the other wrote."""
    assert {p.name for p in one.iterdir()} == {p.name for p in two.iterdir()}
    assert len(lines(one)) == len(lines(two)) > 0
    for expected, found in zip(lines(one), lines(two), strict=True):
        assert set(expected) == set(found)
        for name in ("loss", "eval_loss", "grad_norm"):
            if name in expected:
                assert found[name] == pytest.approx(expected[name], rel=1e-6), name
        for name in ("step", "epoch", "tokens", "target_tokens", "learning_rate"):
            assert found[name] == expected[name]
    weights, others = load_file(one / file), load_file(two / file)
    assert weights.keys() == others.keys()
    for name in weights:
        torch.testing.assert_close(others[name], weights[name], rtol=1e-5, atol=1e-6)


def dying(*words: Any) -> tuple[int, str, str]:
    """`sft WORDS…`, in which rank 1 is killed in its second step."""
    from sft_cli.training import loop

    take_step = loop.take_step

    def killed(state: Any, *rest: Any) -> Any:
        if state.world.rank == 1 and state.at.step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(state, *rest)

    loop.take_step = killed
    return sft(*words)
