"""What a training run has left in its directory, and ways to stop one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def before_training(folder: Path) -> dict[str, Any]:
    """The line of step 0, which a run with held-out or old rows has."""
    first: dict[str, Any] = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] == 0
    return first


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of all steps, less what depends on the clock and the machine."""
    varying = {"seconds", "tokens_per_second", "peak_memory_gb"}
    return [{key: value for key, value in line.items() if key not in varying} for line in step_lines(folder)]


def weights(folder: Path) -> bytes:
    """The bytes of the model, or of the adapter."""
    (path,) = folder.glob("*model.safetensors")
    return path.read_bytes()


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int, how: Callable[[], None]) -> None:
    """Do `how` when `step` steps are done and all else about the step is done too."""
    from sft_cli.training import fit

    real = fit.stopper

    def stopper(interrupt: Any) -> Any:
        watch = real(interrupt)

        def stopping(state: Any, *rest: Any) -> None:
            if state.at.step == step:
                how()
            watch(state, *rest)

        return stopping

    monkeypatch.setattr(fit, "stopper", stopper)


def states(partial: Path) -> list[str]:
    return sorted(path.name for path in partial.iterdir() if path.is_dir())


def step_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl, but for that of step 0, which says how it was before training."""
    import json

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["step"] > 0]
