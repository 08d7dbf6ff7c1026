"""A run that was stopped goes on as if nothing had happened: the same bytes, no line of metrics lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training_files import before_training, metrics, states, stop_after, weights

from sft_cli.training.saving.states import States

# 8 rows, 4 a step: 3 epochs are 6 steps.
QUICK = ("--batch-size", 4, "--learning-rate", 1e-2, "--epochs", 3)
KINDS = {
    "full-float32": ("--dtype", "float32"),
    "full-bfloat16": ("--dtype", "bfloat16", "--weight-decay", 0.1),
    "lora-float32": ("--dtype", "float32", "--adapter", "lora", "--rank", 4, "--lora-dropout", 0.2),
    "lora-bfloat16": ("--dtype", "bfloat16", "--adapter", "lora", "--rank", 4, "--lora-dropout", 0.2),
    "progressive": ("--dtype", "bfloat16", "--adapter", "progressive", "--column-ratio", 4, "--column-stride", 1),
    "progressive-lora": ("--dtype", "bfloat16", "--adapter", "progressive-lora", "--rank", 4),
    "noise": ("--dtype", "float32", "--neftune-alpha", 5, "--loss", "focal"),
}


def crash() -> None:
    raise RuntimeError("the power is gone")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_three_steps_a_stop_and_three_steps_give_the_bytes_of_six(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, kind: str
) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, *KINDS[kind], "--eval-data", rows_file, "--eval-every", 2)
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        stopped = sft(*command, "-o", tmp_path / "parts")
    assert stopped.code == 130
    assert stopped.err.endswith("sft train: stopped after step 3 of 6; the same command with --resume continues\n")
    assert "stopping after this step; press Ctrl-C again to stop at once" in stopped.err
    assert states(tmp_path / "parts.partial") == ["step-000003"]
    torch.manual_seed(123)  # what the process has drawn before must not matter
    resumed = sft(*command, "-o", tmp_path / "parts", "--resume")
    assert (resumed.code, resumed.out) == (0, f"{tmp_path / 'parts'}\n")
    assert f"resuming after step 3 of 6, from {tmp_path / 'parts.partial' / 'step-000003'}\n" in resumed.err
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert before_training(tmp_path / "parts") == before_training(tmp_path / "whole")
    assert states(tmp_path / "parts") == []
    whole, parts = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "parts"))
    assert parts["fingerprint"] == whole["fingerprint"]
    assert parts["run"]["held-out loss"] == whole["run"]["held-out loss"]
    assert not any("step-" in entry["path"] for entry in parts["outputs"])


@pytest.mark.slow
def test_a_run_killed_between_two_states_does_the_steps_in_between_again(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, *KINDS["lora-float32"], "--save-every", 2)
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5, crash)
        assert sft(*command, "-o", tmp_path / "parts").code == 70
    assert states(tmp_path / "parts.partial") == ["step-000004"]
    assert len(metrics(tmp_path / "parts.partial")) == 5
    (tmp_path / "parts.partial" / "step-000006-tmp").mkdir()  # what a kill leaves of a state
    with open(tmp_path / "parts.partial" / "metrics.jsonl", "a") as sink:
        sink.write('{"step": 6, "lo')  # and of a line
    assert sft(*command, "-o", tmp_path / "parts", "--resume").code == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert states(tmp_path / "parts") == []


@pytest.mark.slow
@pytest.mark.parametrize("file", ["optimizer.safetensors", "state.json"])
def test_the_newest_states_are_kept_and_a_damaged_one_is_passed_over(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, file: str
) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, *KINDS["full-float32"], "--save-every", 1, "--keep", 2)
    partial = tmp_path / "parts.partial"
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 5, crash)
        assert sft(*command, "-o", tmp_path / "parts").code == 70
    assert states(partial) == ["step-000004", "step-000005"]
    os.truncate(partial / "step-000005" / file, 100)
    changed = sft(*command, "-o", tmp_path / "parts", "--resume", "--clip", 2)
    assert (changed.code, "--resume: clip was 1.0, is 2.0\n" in changed.err) == (2, True)
    resumed = sft(*command, "-o", tmp_path / "parts", "--resume")
    assert (resumed.code, "resuming after step 4 of 6" in resumed.err) == (0, True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_a_state_is_a_checkpoint_that_loads(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    from sft_cli.model.load import load_model

    command = ("train", rows_file, "--model", tiny, *QUICK, *KINDS["full-float32"])
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2, lambda: signal.raise_signal(signal.SIGTERM))
        stopped = sft(*command, "-o", tmp_path / "run")
    assert stopped.code == 143
    state = tmp_path / "run.partial" / "step-000002"
    assert sft(*command, "--max-steps", 2, "--schedule", "constant", "-o", tmp_path / "other").code == 0
    load_model(str(state))
    result = sft("train", rows_file, "--model", state, "-o", tmp_path / "next", *QUICK)
    assert result.code == 0
    refused = sft("train", rows_file, "--model", state, "-o", tmp_path / "run", "--force", *QUICK)
    assert refused.code == 2
    assert f"the run would replace {tmp_path / 'run.partial'}, which contains the input {state}" in refused.err
    assert state.is_dir()


@pytest.fixture
def stopped(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> tuple[Any, ...]:
    """A command whose run has stopped after 2 of 6 steps."""
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK, "--dtype", "float32")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2, lambda: signal.raise_signal(signal.SIGINT))
        assert sft(*command).code == 130
    return command


def test_a_stopped_run_is_never_destroyed_by_accident(sft: Any, stopped: tuple[Any, ...], tmp_path: Path) -> None:
    for more in ((), ("--skip-if-current",)):
        again = sft(*stopped, *more)
        assert again.code == 2
        assert f"--out: {tmp_path / 'run.partial'}: has a stopped run, saved at step-000002\n" in again.err
        assert "hint: --resume continues the run, --force starts again" in again.err
    assert states(tmp_path / "run.partial") == ["step-000002"]
    forced = sft(*stopped, "--force")
    assert (forced.code, "resuming" in forced.err, len(metrics(tmp_path / "run"))) == (0, False, 6)


@pytest.mark.slow
def test_what_has_changed_is_named_and_nothing_is_touched(
    sft: Any,
    stopped: tuple[Any, ...],
    rows_file: Path,
    tmp_path: Path,
    tiny_teacher: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusal(*more: Any) -> str:
        result = sft(*stopped, *more, "--resume")
        assert (result.code, result.out) == (2, "")
        assert f"hint: use the settings and files of {tmp_path / 'run.partial'}, or start again" in result.err
        return str(result.err)

    assert "--resume: learning_rate was 0.01, is 0.02\n" in refusal("--learning-rate", 2e-2)
    two = refusal("--schedule", "constant", "--seed", 4)
    assert '--resume: schedule was "cosine", is "constant"; seed was 0, is 4\n' in two
    assert "--resume: epochs was 3, is 4\n" in refusal("--epochs", 4)
    assert "--resume: max_steps was null, is 5\n" in refusal("--max-steps", 5)
    # A CPU without bfloat16 would go on in float32.
    monkeypatch.setattr("sft_cli.model.device.multiplies_bfloat16", lambda: True)
    assert '--resume: dtype was "float32", is "bfloat16"\n' in refusal("--dtype", "bfloat16")
    assert "--resume: the content of model has changed\n" in refusal("--model", tiny_teacher)
    original = rows_file.read_text()
    rows_file.write_text(original.replace("Lazy", "Busy"))
    assert "--resume: the content of data has changed\n" in refusal()
    rows_file.write_text(original)
    assert states(tmp_path / "run.partial") == ["step-000002"]
    moved = tmp_path / "elsewhere.jsonl"
    shutil.move(rows_file, moved)  # where the rows lie does not matter, nor what cannot change the result
    done = sft("train", moved, *stopped[2:], "--resume", "--save-every", 3, "--keep", 2, "--threads", 1)
    assert (done.code, len(metrics(tmp_path / "run"))) == (0, 6)


def test_other_rows_on_stdin_are_noticed(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", "-", "--model", tiny, "-o", tmp_path / "run", *QUICK, "--dtype", "float32")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2, lambda: signal.raise_signal(signal.SIGINT))
        assert sft(*command, stdin=rows_file.read_bytes()).code == 130
    changed = sft(*command, "--resume", stdin=rows_file.read_bytes().replace(b"Lazy", b"Quick and lazy"))
    assert (changed.code, "--resume: the content of training rows has changed" in changed.err) == (2, True)
    assert sft(*command, "--resume", stdin=rows_file.read_bytes()).code == 0


def test_resume_without_a_state_begins_and_says_so(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--resume", *QUICK)
    result = sft(*command)
    assert result.code == 0
    assert f"--resume: nothing to resume in {tmp_path / 'run.partial'}; starting with the first step\n" in result.err
    done = sft(*command)
    assert (done.code, "already exists" in done.err) == (2, True)


def test_a_stop_at_the_last_step_needs_no_further_step(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, "--dtype", "float32")
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 6, lambda: signal.raise_signal(signal.SIGTERM))
        assert sft(*command, "-o", tmp_path / "parts").code == 143
    assert sft(*command, "-o", tmp_path / "parts", "--resume").code == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def test_the_second_signal_stops_at_once(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2, twice)
        result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    assert (result.code, result.err.endswith("sft train: interrupted\n")) == (130, True)
    assert states(tmp_path / "run.partial") == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_distill_resumes_too(sft: Any, tiny: Path, tiny_teacher: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("distill", rows_file, "--model", tiny, "--teacher", tiny_teacher, *QUICK, "--dtype", "float32")
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 3, lambda: signal.raise_signal(signal.SIGINT))
        assert sft(*command, "-o", tmp_path / "parts").code == 130
    assert "alpha was 0.5, is 0.4" in sft(*command, "-o", tmp_path / "parts", "--resume", "--alpha", 0.4).err
    assert sft(*command, "-o", tmp_path / "parts", "--resume").code == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def spawn(command: tuple[Any, ...]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "sft_cli", *(str(word) for word in command)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Return once the file holds something, or the process has ended."""
    while process.poll() is None and not (path.exists() and path.stat().st_size):
        time.sleep(0.01)  # looked at again and again, since nothing tells


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_real_process_that_is_killed_goes_on(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, number: int, code: int
) -> None:
    command = ("train", rows_file, "--model", tiny, "--batch-size", 1, "--epochs", 50, "--save-every", 1)
    command += ("--dtype", "float32", "--threads", 1)
    parts = ("-o", tmp_path / "parts")
    process = spawn((*command, *parts))
    partial = tmp_path / "parts.partial"
    wait_for(partial / "metrics.jsonl", process)
    wait_for(partial / "step-000001" / "state.json", process) if number == signal.SIGKILL else None
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, ""), err
    if number == signal.SIGTERM:
        assert "the same command with --resume continues" in err.splitlines()[-1]
    done = len(metrics(partial))
    assert 1 <= done < 400
    assert sft(*command, *parts, "--resume").code == 0
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def full_disk(monkeypatch: pytest.MonkeyPatch, name: str, after: int = 0) -> None:
    """Let the disk be full for `name` in sft_cli.training.saving.states, from the call after the first `after`."""
    from safetensors import SafetensorError

    from sft_cli.training.saving import states as state

    real, calls = getattr(state, name), []

    def write(*words: Any) -> Any:
        calls.append(words)
        if len(calls) > after:
            if name == "save_file":
                raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
            raise OSError(28, "No space left on device")
        return real(*words)

    monkeypatch.setattr(state, name, write)


@pytest.mark.slow
def test_a_full_disk_leaves_the_state_before_usable(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    command = ("train", rows_file, "--model", tiny, *QUICK, "--dtype", "float32", "--save-every", 2)
    partial = tmp_path / "run.partial"
    assert sft(*command, "-o", tmp_path / "whole").code == 0
    first = {"save_file": 3, "save_checkpoint": 1}  # what the first state calls
    for name, calls in first.items():
        with pytest.MonkeyPatch.context() as patch:
            full_disk(patch, name, calls)
            result = sft(*command, "-o", tmp_path / "run", "--force")
        assert result.code == 2
        assert result.err.endswith(
            f"sft train: {partial / 'step-000004'}: cannot save: No space left on device\n"
            "hint: free some disk space; then --resume continues after step-000002\n"
        )
        assert states(partial) == ["step-000002"]
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch, "save_checkpoint", 1)  # a state at step 4, then the checkpoint itself
        result = sft(*command, "-o", tmp_path / "run", "--resume")
    assert result.code == 2
    assert f"sft train: {partial}: cannot save: No space left on device\nhint: free some disk space" in result.err
    assert (states(partial), (tmp_path / "run").exists()) == (["step-000004"], False)
    assert sft(*command, "-o", tmp_path / "run", "--resume").code == 0
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


def test_a_disk_that_is_full_for_metrics_is_no_bug(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sft_cli.training.watching import watchers

    def refuse(line: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watchers, "json", SimpleNamespace(dumps=refuse))
    result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    assert result.code == 2
    assert "metrics.jsonl: cannot save: No space left on device\nhint: free some disk space\n" in result.err


@pytest.mark.slow
def test_a_loss_that_is_no_number_tells_of_the_last_state(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sft_cli.training.compute import Compute

    real, calls = Compute.backward, []

    def backward(*words: Any, **keys: Any) -> Any:
        calls.append(words)
        means = real(*words, **keys)
        return {**means, "loss": float("nan")} if len(calls) % 4 == 0 else means

    monkeypatch.setattr(Compute, "backward", backward)
    command = ("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    result = sft(*command)
    assert result.code == 2
    assert "step 4: loss is nan, expected a number; rows of this step: r" in result.err
    assert "check these rows; nothing was saved (--save-every N saves states)\n" in result.err
    state = tmp_path / "run.partial" / "step-000002"
    result = sft(*command, "--save-every", 2)
    assert f"; --model {state} with another --out starts again from the last saved weights\n" in result.err
    result = sft(*command, "--save-every", 2, "--force", "--adapter", "lora")
    assert f"; the last saved adapter is in {state}\n" in result.err


def test_half_a_state_is_never_there(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_training import corpus, settings
    from tiny_models import make_tokenizer

    from sft_cli.model.load import load_model
    from sft_cli.training.best import Best
    from sft_cli.training.compute import Compute
    from sft_cli.training.loop import start
    from sft_cli.training.saving import states as module

    request = {"settings": {}, "contents": {}, "versions": {}}
    states_ = States(tmp_path, make_tokenizer(), 1, request, Best())
    state = start(Compute(load_model(str(tiny))), corpus(), settings())
    states_.save(state)
    state.at.step = 1

    def crash_at_rename(*paths: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "put_in_place", crash_at_rename)
    with pytest.raises(KeyboardInterrupt):
        states_.save(state)
    assert states(tmp_path) == ["step-000000"]
    found = states_.newest()
    assert found is not None
    assert found[0].name == "step-000000"


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_weights_may_be_read_by_whom_the_umask_says(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, adapter: str
) -> None:
    before = os.umask(0o027)
    try:
        assert sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", "--adapter", adapter).code == 0
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()}
    assert set(modes.values()) == {0o640}, modes


def test_an_optimizers_state_comes_back_as_it_was(tmp_path: Path) -> None:
    from sft_cli.training.saving.tensors import flatten, unflatten

    shared = torch.arange(4.0)
    state = {
        "state": {0: {"step": torch.tensor(3.0), "m": torch.randn(2, 3)}, 7: {"qmap": shared, "again": shared}},
        "groups": [
            {"lr": 1e-5, "betas": (0.9, 0.999), "params": [0, 7], "fused": True, "decay": None, "name": "tensor"}
        ],
        "bits": torch.tensor([1, 2], dtype=torch.uint8),
    }
    tensors: dict[str, torch.Tensor] = {}
    plain = json.loads(json.dumps(flatten(state, tensors)))
    found = unflatten(plain, tensors.__getitem__)
    assert str(found) == str(state)
    assert isinstance(found["groups"][0]["betas"], tuple)
    assert torch.equal(found["state"][0]["m"], state["state"][0]["m"])
    with pytest.raises(TypeError, match="groups: cannot save a set"):
        flatten({"groups": {1}}, tensors)
