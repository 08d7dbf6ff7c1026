"""Trackers get the numbers of metrics.jsonl and the settings, and cannot end a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_trackers import install
from run_command import run_command

from sft_cli.training.plan.steps import Step
from sft_cli.training.tables import TRACKERS
from sft_cli.training.watching.tracking import TrackedRun, scalars, tracking

QUICK = ("--batch-size", 4, "--learning-rate", 1e-2, "--dtype", "float32")
FAKES = ("trackio", "wandb", "mlflow")


@pytest.fixture
def sft(monkeypatch: Any, capsys: Any) -> Any:
    for name in ("WANDB_PROJECT", "TRACKIO_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words, **keys: run_command(monkeypatch, capsys, *words, **keys)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_only_numbers_are_sent_nested_ones_by_their_path() -> None:
    line = {"step": 3, "epoch": 0, "loss": 1.5, "task_loss": {"qa": 1.0, "zh/日": 2.0}, "note": "x", "ok": True}
    assert scalars(line) == {"epoch": 0, "loss": 1.5, "task_loss/qa": 1.0, "task_loss/zh/日": 2.0}


@pytest.mark.parametrize("name", FAKES)
def test_a_tracker_gets_the_settings_once_and_every_line(
    sft: Any, monkeypatch: Any, tiny: Path, rows_file: Path, tmp_path: Path, name: str
) -> None:
    calls = install(monkeypatch, name)
    out = tmp_path / "run"
    tracked = ("--eval-data", rows_file, "--track", name, "--track", name)
    result = sft("train", rows_file, "--model", tiny, "-o", out, *tracked, *QUICK)
    assert (result.code, result.out) == (0, f"{out}\n")  # whatever a client prints
    assert calls[0][1:3] == (None if name == "mlflow" else "sft", "run")
    settings = calls[1][1] if name == "mlflow" else calls[0][3]
    assert (settings["learning_rate"], settings["batch_size"]) == (0.01, 4)
    logged = [call[1:] for call in calls if call[0] == "log"]
    assert logged == [(line["step"], scalars(line)) for line in lines(out)]
    assert [step for step, _ in logged] == [0, 1, 2]
    assert calls[-1] == {"trackio": ("finish",), "wandb": ("finish", 0), "mlflow": ("finish", "FINISHED")}[name]


@pytest.mark.parametrize("name", FAKES)
def test_a_tracker_that_fails_is_left_out_with_one_line(
    sft: Any, monkeypatch: Any, tiny: Path, rows_file: Path, tmp_path: Path, name: str
) -> None:
    calls = install(monkeypatch, name, breaks_at=1)
    out = tmp_path / "run"
    result = sft("train", rows_file, "--model", tiny, "-o", out, "--track", name, "-q", *QUICK)
    assert (result.code, result.out) == (0, f"{out}\n")
    assert (
        result.err.count(f"sft train: --track {name}: no route to host; the run continues without this tracker\n") == 1
    )
    assert "log" not in [call[0] for call in calls]
    assert len(lines(out)) == 2


def test_one_that_cannot_start_does_not_stop_the_others(monkeypatch: Any, tmp_path: Path) -> None:
    install(monkeypatch, "trackio")
    calls, warnings = install(monkeypatch, "wandb"), []

    def refuse(**options: Any) -> None:
        raise RuntimeError("api_key not configured")

    monkeypatch.setattr("wandb.Settings", refuse)
    mlflow = install(monkeypatch, "mlflow")
    with tracking(["wandb", "mlflow"], TrackedRun("", tmp_path / "a", {}, 1), warnings.append) as watchers:
        for watch in watchers:
            watch(None, Step(0, [0], True), {"step": 1, "loss": 2.0})  # type: ignore[arg-type]
    assert warnings == ["--track wandb: api_key not configured; the run continues without this tracker"]
    assert (calls, mlflow[-2]) == ([], ("log", 1, {"loss": 2.0}))


def test_a_run_that_fails_is_marked_as_failed(monkeypatch: Any, tmp_path: Path) -> None:
    wandb, mlflow = install(monkeypatch, "wandb"), install(monkeypatch, "mlflow")
    with pytest.raises(ValueError, match="loss"), tracking(["wandb", "mlflow"], TrackedRun("", tmp_path, {}, 1), print):
        raise ValueError("loss is nan")
    assert (wandb[-1], mlflow[-1]) == (("finish", 1), ("finish", "FAILED"))


def test_many_settings_are_sent_in_parts_and_a_resumed_run_says_so(monkeypatch: Any, tmp_path: Path) -> None:
    mlflow, trackio = install(monkeypatch, "mlflow"), install(monkeypatch, "trackio")
    many = {f"flag{number}": number for number in range(250)}
    with tracking(["mlflow", "trackio"], TrackedRun("mine", tmp_path / "a", many, 7), print):
        pass
    sent = [call[1] for call in mlflow if call[0] == "params"]
    assert {key: value for part in sent for key, value in part.items()} == many
    assert trackio[0] == ("init", "sft", "mine", many, "allow")


def test_a_missing_package_is_one_line_before_the_model_is_loaded(
    sft: Any, monkeypatch: Any, rows_file: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = sft("train", rows_file, "--model", "./nowhere", "-o", tmp_path / "run", "--track", "wandb")
    assert (result.code, result.err) == (
        2,
        "sft train: --track: wandb needs the package wandb, which is not installed\nhint: pip install wandb\n",
    )
    unknown = sft("train", rows_file, "--model", "./nowhere", "-o", tmp_path / "run", "--track", "wandbb")
    assert (unknown.code, f"Known: {', '.join(TRACKERS)}" in unknown.err) == (2, True)


def test_tensorboard_reads_back_what_was_logged(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--track", "tensorboard", *QUICK)
    assert sft(*command, "--run-name", "first", "--epochs", 2).code == 0
    assert sft(*command, "--run-name", "first", "--force").code == 0  # again, and shorter
    events = EventAccumulator(str(tmp_path / "tensorboard" / "first"))
    events.Reload()
    expected = [(line["step"], pytest.approx(line["loss"], rel=1e-6)) for line in lines(tmp_path / "run")]
    assert [(event.step, event.value) for event in events.Scalars("loss")] == expected
    (text,) = [tag for tag in events.Tags()["tensors"] if "settings" in tag]
    assert "| learning_rate | `0.01` |" in events.Tensors(text)[-1].tensor_proto.string_val[0].decode()
