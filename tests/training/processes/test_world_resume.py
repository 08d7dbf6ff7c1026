"""Several processes stop together after one step, and a run that was stopped goes on with as many or others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import sft, together
from safetensors.torch import load_file
from several_processes import HOW, QUICK, assert_same_run, dying, write
from small_rows import chat
from training_files import metrics, states, weights


def stopping(step: int, rank: int, *words: Any) -> tuple[int, str, str]:
    """`sft WORDS…`, in which one process gets SIGTERM when a step and all else about it are done."""
    from sft_cli.training import fit

    real = fit.stopper

    def stopper(interrupt: Any) -> Any:
        watch = real(interrupt)

        def watching(state: Any, *rest: Any) -> None:
            if state.at.step == step and state.world.rank == rank:
                signal.raise_signal(signal.SIGTERM)
            watch(state, *rest)

        return watching

    fit.stopper = stopper
    return sft(*words)


def run(size: int, *words: Any) -> tuple[int, str, str]:
    """What the main of `size` processes gives; with one process, plain `sft` in one."""
    first, *others = together(sft, *words, size=size) if size > 1 else [sft(*words)]
    assert others in ([], [(first[0], "", "")] * (size - 1))
    return first


def near(one: Path, two: Path) -> None:
    expected, found = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", ["full", "lora"])
def test_a_run_whose_process_was_killed_goes_on_to_the_same_bytes(
    tiny: Path, rows: Path, tmp_path: Path, how: str, what: str
) -> None:
    command: tuple[Any, ...] = ("train", rows, "--model", tiny, "--eval-data", rows, *QUICK, *HOW[how])
    command += ("--adapter", "lora", "--rank", 4, "--lora-dropout", 0.2) if what == "lora" else ()
    assert run(2, *command, "-o", tmp_path / "whole")[0] == 0
    broken = together(dying, *command, "-o", tmp_path / "parts", "--save-every", 1)
    assert (broken[0][0], broken[1]) == (2, None)
    assert "rank 1 of 2 processes died" in broken[0][2]
    assert states(tmp_path / "parts.partial") == ["step-000001"]
    code, out, err = run(2, *command, "-o", tmp_path / "parts", "--resume")
    assert (code, out) == (0, f"{tmp_path / 'parts'}\n"), err
    assert f"resuming after step 1 of 6, from {tmp_path / 'parts.partial' / 'step-000001'}\n" in err
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert {p.name for p in (tmp_path / "parts").iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
    one, two = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "parts"))
    assert one["fingerprint"] == two["fingerprint"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((2, "fsdp2"), (1, "ddp")),
        ((1, "ddp"), (2, "fsdp2")),
        ((2, "fsdp2"), (3, "fsdp2")),
        ((2, "ddp"), (1, "ddp")),
        ((3, "ddp"), (2, "fsdp2")),
        ((2, "fsdp2"), (3, "ddp")),
    ],
)
def test_a_run_goes_on_with_another_number_of_processes(
    tiny: Path, rows: Path, tmp_path: Path, before: tuple[int, str], after: tuple[int, str]
) -> None:
    command = ("train", rows, "--model", tiny, *QUICK)
    assert sft(*command, "-o", tmp_path / "whole")[0] == 0
    size, how = before
    stop = (3, size - 1, *command, "-o", tmp_path / "parts", *HOW[how])
    handler = signal.getsignal(signal.SIGTERM)
    first, *others = together(stopping, *stop, size=size) if size > 1 else [stopping_here(*stop)]
    signal.signal(signal.SIGTERM, handler)
    assert (first[0], first[1]) == (143, "")
    assert first[2].endswith("sft train: stopped after step 3 of 6; the same command with --resume continues\n")
    assert others in ([], [(143, "", "")] * (size - 1))
    assert states(tmp_path / "parts.partial") == ["step-000003"]
    size, how = after
    code, _, err = run(size, *command, "-o", tmp_path / "parts", "--resume", *HOW[how])
    assert code == 0, err
    assert "resuming after step 3 of 6" in err
    changed = [f"number of processes was {before[0]}, is {after[0]}"] if before[0] != after[0] else []
    changed += [f"--shard was {before[1] == 'fsdp2'}, is {how == 'fsdp2'}"] if before[1] != how else []
    assert (
        f"note: {', '.join(changed)}: the numbers may differ in their last digits from those of an uninterrupted run\n"
        in err
    )
    near(tmp_path / "whole", tmp_path / "parts")
    assert [line["step"] for line in metrics(tmp_path / "parts")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_three_processes_go_on_to_the_same_bytes(tiny: Path, rows: Path, tmp_path: Path, how: str) -> None:
    # Of three, in which order gradients are added up shows in the last bits; of two it cannot.
    command = ("train", rows, "--model", tiny, *QUICK, *HOW[how])
    assert run(3, *command, "-o", tmp_path / "whole")[0] == 0
    assert together(stopping, 3, 1, *command, "-o", tmp_path / "parts", size=3)[0][0] == 143
    assert run(3, *command, "-o", tmp_path / "parts", "--resume")[0] == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


def stopping_here(*words: Any) -> tuple[int, str, str]:
    from sft_cli.training import fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "stopper", fit.stopper)  # put back afterwards
        return stopping(*words)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_tasks_and_the_best_weights_are_those_of_one_process(tiny: Path, rows: Path, tmp_path: Path, how: str) -> None:
    others = [{**chat("1 2 3", "5 8 13 21 34"), "task": "a"}, {**chat("4", "zebra: z"), "task": "b"}]  # soon unlikely
    held_out = write(tmp_path / "held-out.jsonl", *others)
    command = ("train", rows, "--model", tiny, "--eval-data", held_out, "--eval-every", 1, "--best", *QUICK)
    command += ("--task-weight", "a=3", "--mix", "a=0.7", "--mix", "b=0.3")
    one = sft(*command, "-o", tmp_path / "one")
    code, _, err = run(2, *command, "-o", tmp_path / "two", *HOW[how])
    assert (one[0], code) == (0, 0), err
    assert_same_run(tmp_path / "one", tmp_path / "two", "model.safetensors")
    for expected, found in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for name in ("task_loss", "eval_task_loss"):
            assert found[name] == pytest.approx(expected[name], rel=1e-6)
    said = [line for line in err.splitlines() if line.startswith("weights of step: ")]
    assert said == [line for line in one[2].splitlines() if line.startswith("weights of step: ")]
    assert len(said) == 1
    assert "at step 6" not in said[0]  # else it would not show that the best were kept


@pytest.mark.slow
def test_answers_judge_under_ddp_and_are_refused_with_sharded_weights(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, "--eval-data", rows, "--eval-metric", "rouge-l", "--eval-rows", 2)
    command += ("--max-steps", 2, *QUICK)
    assert sft(*command, "-o", tmp_path / "one")[0] == 0
    assert run(2, *command, "-o", tmp_path / "two")[0] == 0
    assert_same_run(tmp_path / "one", tmp_path / "two", "model.safetensors")
    for expected, found in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert found.get("eval_metric") == expected.get("eval_metric")
    assert "eval_metric" in metrics(tmp_path / "two")[-1]
    results = together(sft, *command, "-o", tmp_path / "three", "--shard")
    assert [code for code, _, _ in results] == [2, 2]
    assert "".join(err for _, _, err in results) == (
        "sft train: --eval-metric: does not work with --shard\n"
        "hint: leave --eval-metric out: the held-out loss is always measured\n"
    )


@pytest.mark.slow
def test_other_settings_are_refused_once(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, "-o", tmp_path / "parts", *QUICK)
    assert [found[0] for found in together(stopping, 2, 0, *command)] == [143, 143]
    results = together(sft, *command, "--resume", "--clip", 2)
    assert [(code, out) for code, out, _ in results] == [(2, "")] * 2
    assert "".join(err for _, _, err in results).count("--resume: clip was 1.0, is 2.0\n") == 1
    results = together(sft, *command)
    assert "".join(err for _, _, err in results).count("hint: --resume continues the run, --force starts again\n") == 1
    assert states(tmp_path / "parts.partial") == ["step-000002"]


def full_disk(*words: Any) -> tuple[int, str, str]:
    """`sft WORDS…`, in which the disk is full when rank 1 writes its part of the second state."""
    from sft_cli.training.processes import sharding

    real, calls = sharding.save_file, []

    def save_file(tensors: Any, path: Path, *rest: Any) -> None:
        calls.append(path)
        if os.environ["RANK"] == "1" and len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(tensors, path, *rest)

    sharding.save_file = save_file
    return sft(*words)


@pytest.mark.slow
def test_a_disk_that_is_full_for_one_part_leaves_the_state_before(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, "-o", tmp_path / "run", *QUICK, "--shard", "--save-every", 2)
    results = together(full_disk, *command)
    assert [code for code, _, _ in results] == [2, 2]
    said = "".join(err for _, _, err in results)
    partial = tmp_path / "run.partial"
    assert said.count(f"{partial / 'step-000004'}: cannot save: No space left on device\n") == 1
    assert "hint: free some disk space; then --resume continues after step-000002\n" in said
    assert states(partial) == ["step-000002"]
    assert run(2, *command, "--resume")[0] == 0


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_told_once(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, "-o", tmp_path / "run", *QUICK, "--save-every", 1, "--shard")
    results = together(sft, *command, "--learning-rate", 1e38, "--warmup", 0, "--clip", 0)
    assert [code for code, _, _ in results] == [2, 2]
    said = "".join(err for _, _, err in results)
    assert said.count("expected a number; rows of this step: r") == 1
    assert f"; the last saved state is in {tmp_path / 'run.partial' / 'step-00000'}" in said


@pytest.mark.slow
def test_what_is_shown_and_checked_comes_from_the_main_process(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, "-o", tmp_path / "run", *QUICK)
    (code, out, err), other = together(sft, *command, "--show", 2, "--dry-run")
    assert (code, out, other) == (0, "", (0, "", ""))
    assert err.count("── r") == 2
    (code, out, err), other = together(sft, *command, "--check-template")
    assert (out, other) == ("", (0, "", ""))
    assert err.count("chat template of ") == 1
    assert (tmp_path / "run").exists() is False


def torchrun(*words: Any) -> list[str]:
    """A command line of torchrun that starts two processes; what stands before the command's name is torchrun's."""
    place = words.index("train")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [str(word) for word in (*launcher, *words[:place], "-m", "sft_cli", *words[place:])]


def begun(command: list[str], file: Path) -> subprocess.Popen[str]:
    """A process of the command, as soon as the file holds something."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=THREADS)
    while process.poll() is None and not (file.exists() and file.stat().st_size):
        time.sleep(0.01)  # looked at again and again, since nothing tells
    return process


THREADS = {**os.environ, "OMP_NUM_THREADS": "1"}
LONG = ("--dtype", "float32", "--batch-size", 2, "--epochs", 20, "--adapter", "lora", "--lora-dropout", 0.2)


@pytest.mark.slow
def test_a_signal_to_torchrun_saves_a_state(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, *LONG)
    partial = tmp_path / "parts.partial"
    process = begun(torchrun(*command, "-o", tmp_path / "parts"), partial / "metrics.jsonl")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert err.count("the same command with --resume continues\n") == 1, err
    assert len(states(partial)) == 1
    assert 0 < len(metrics(partial)) < 120
    assert run(2, *command, "-o", tmp_path / "parts", "--resume")[0] == 0
    assert run(2, *command, "-o", tmp_path / "whole")[0] == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


@pytest.mark.slow
def test_torchrun_may_start_a_broken_run_again(tiny: Path, rows: Path, tmp_path: Path) -> None:
    command = ("train", rows, "--model", tiny, *LONG)
    more = ("--save-every", 1, "--resume", "-o", tmp_path / "parts")
    state = tmp_path / "parts.partial" / "step-000001" / "state.json"
    process = begun(torchrun("--max-restarts", 1, *command, *more), state)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, f"{tmp_path / 'parts'}\n"), err
    assert "resuming after step " in err
    assert run(2, *command, "-o", tmp_path / "whole")[0] == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
