"""Two processes compute what one does, say what one says, and leave together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from processes import sft, together
from several_processes import assert_same_run, dying, lines, write
from small_rows import chat

from sft_cli.run.errors import UserError
from sft_cli.training.clipping import clip_gradients
from sft_cli.training.plan.packing import microbatches
from sft_cli.training.plan.sharing import deal, share_documents
from sft_cli.training.processes.torchrun import world_of
from sft_cli.training.processes.world import World

QUICK = ("--dtype", "float32", "--learning-rate", 1e-3, "--batch-size", 5, "--microbatch-tokens", 60)


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Eleven rows of 12 to 65 tokens: with five a step, the last step of an epoch has one row for two processes."""
    turns = [("word " * (i % 5), "The quick brown fox " * (1 + 3 * (i % 4))) for i in range(11)]
    return write(tmp_path / "uneven.jsonl", *({**chat(*words), "id": f"r{i}"} for i, words in enumerate(turns)))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
@pytest.mark.parametrize("what", ["full", "lora", "untied"])
def test_two_processes_train_as_one(
    tiny: Path, tiny_teacher: Path, uneven: Path, tmp_path: Path, how: str, what: str
) -> None:
    model = tiny_teacher if what == "untied" else tiny
    more = ("--adapter", "lora", "--rank", 4) if what == "lora" else ()
    command = ("train", uneven, "--model", model, "--eval-data", uneven, "--epochs", 2, *QUICK, *more)
    assert sft(*command, "-o", tmp_path / "one")[0] == 0
    shared = (*command, "-o", tmp_path / "two", *(["--shard"] if how == "fsdp2" else []))
    (code, out, err), other = together(sft, *shared)
    assert (code, out) == (0, f"{tmp_path / 'two'}\n"), err
    assert "processes: 2, " in err
    assert other == (0, "", "")
    file = "adapter_model.safetensors" if what == "lora" else "model.safetensors"
    assert_same_run(tmp_path / "one", tmp_path / "two", file)


@pytest.mark.slow
def test_a_sharded_checkpoint_loads_in_plain_transformers(tiny: Path, uneven: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    command = ("train", uneven, "--model", tiny, "-o", tmp_path / "run", "--shard", *QUICK)
    assert together(sft, *command)[0][0] == 0
    model, loading = AutoModelForCausalLM.from_pretrained(tmp_path / "run", output_loading_info=True)
    assert not any(loading.values())
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.slow
def test_distillation_is_shared_out_too(tiny: Path, tiny_teacher: Path, uneven: Path, tmp_path: Path) -> None:
    command = ("distill", uneven, "--model", tiny, "--teacher", tiny_teacher, *QUICK)
    assert sft(*command, "-o", tmp_path / "one")[0] == 0
    assert together(sft, *command, "-o", tmp_path / "two", "--shard")[0][:2] == (0, f"{tmp_path / 'two'}\n")
    assert_same_run(tmp_path / "one", tmp_path / "two", "model.safetensors")
    for expected, found in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        assert found["kl"] == pytest.approx(expected["kl"], rel=1e-6)


@pytest.mark.slow
def test_an_error_is_said_once_and_ends_all(tiny: Path, uneven: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.jsonl", chat("a", "b"), {"id": "x", "messages": [{"role": "user", "content": "a"}]})
    everywhere = ("--model", tiny, "-o", tmp_path / "run", *QUICK)
    no_mps = "--device: mps is not available"
    for words, message in [
        ((bad,), f"{bad}:2: messages: expected an assistant turn, got none"),  # by rank 0, before others read
        ((uneven, "--max-length", 5000), "--max-length: expected at most 256"),  # by every rank
        (("-",), "DATA: expected files, because several processes cannot read stdin, got -"),
        (
            (uneven, "--adapter", "corda", "--corda-data", "-"),
            "DATA: expected files, because several processes cannot read stdin, got -",
        ),
        ((uneven, "--device", "mps"), no_mps),  # before gradients can be exchanged
    ]:
        results = together(sft, "train", *words, *everywhere)
        assert [(code, out) for code, out, _ in results] == [(2, "")] * 2
        assert "".join(err for _, _, err in results).count(message) == 1, results
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_rejects_and_manifest_are_written_once(tiny: Path, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.jsonl", chat("a", "b"), {"id": "x", "messages": [{"role": "user", "content": "a"}]})
    rejects, manifest = tmp_path / "rejects.jsonl", tmp_path / "m.json"
    command = ("train", bad, "--model", tiny, "-o", tmp_path / "run", "--rejects", rejects, "--manifest", manifest)
    assert [code for code, _, _ in together(sft, *command, *QUICK)] == [0, 0]
    assert len(rejects.read_text().splitlines()) == 1
    assert json.loads(manifest.read_text())["command"] == "train"


@pytest.mark.slow
def test_more_processes_than_rows(tiny: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "d.jsonl", chat("a", "b"))
    command = ("train", data, "--model", tiny, "--epochs", 2, *QUICK)
    assert sft(*command, "-o", tmp_path / "one")[0] == 0
    assert [code for code, _, _ in together(sft, *command, "-o", tmp_path / "three", size=3)] == [0, 0, 0]
    assert_same_run(tmp_path / "one", tmp_path / "three", "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ddp", "fsdp2"])
def test_a_killed_process_ends_the_run_with_one_line_that_names_it(
    tiny: Path, uneven: Path, tmp_path: Path, how: str
) -> None:
    more = ["--shard"] if how == "fsdp2" else []
    results = together(dying, "train", uneven, "--model", tiny, "-o", tmp_path / "run", "--quiet", *QUICK, *more)
    assert results[1] is None
    code, out, err = results[0]
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "sft train: rank 1 of 2 processes died or did not answer, and training stopped",
        "hint: the same command with --resume continues from the last saved state",
    ]


@pytest.mark.slow
def test_torchrun_starts_it(tiny: Path, uneven: Path, tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sft_cli"]
    words = ["train", uneven, "--model", tiny, "--eval-data", uneven, *QUICK]
    done = subprocess.run(
        [*launcher, *map(str, words), "-o", tmp_path / "two"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'two'}\n"), done.stderr
    assert done.stderr.count("held-out loss: ") == 1
    assert sft(*words, "-o", tmp_path / "one")[0] == 0
    assert_same_run(tmp_path / "one", tmp_path / "two", "model.safetensors")


def after_steps(model_path: Path, folder: Path, phases: tuple[str, ...], is_sharded: bool) -> dict[str, Any]:
    """Weights and moments after some of: two steps, saving, loading, two steps."""
    from sft_cli.model.load import load_model
    from sft_cli.training.processes.data_parallel import join
    from sft_cli.training.processes.sharding import load_sharded, save_sharded
    from sft_cli.training.processes.torchrun import join_world
    from sft_cli.training.settings import TrainSettings

    settings = TrainSettings(model="tiny", data=["d"], shard=is_sharded)
    with join_world(settings) as world:
        model = load_model(str(model_path))
        join(model, world, "cpu", is_sharded)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
        for phase in phases:
            if phase == "save":
                save_sharded(folder, model, optimizer, world)
            elif phase == "load":
                load_sharded(folder, model, optimizer)
            else:
                for parameter in model.parameters():
                    parameter.grad = (parameter.detach() * 1.5).sin()  # of each number alone, so the same in any layout
                optimizer.step()
        found = {}
        for name, parameter in model.named_parameters():
            for key, value in {"": parameter, **optimizer.state[parameter]}.items():
                whole = value.full_tensor() if hasattr(value, "full_tensor") else value
                found[name + key] = whole.detach().numpy().copy()
        return found


@pytest.mark.slow
def test_a_sharded_state_goes_on_to_the_same_bits_on_any_number_of_processes(tiny: Path, tmp_path: Path) -> None:
    whole = together(after_steps, tiny, tmp_path, ("steps", "save", "steps"), True)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"shard-0000{i}.safetensors" for i in range(2)]
    for size, is_sharded in ((2, True), (3, True), (1, True), (1, False)):
        again = together(after_steps, tiny, tmp_path, ("load", "steps"), is_sharded, size=size)[0]
        assert again.keys() == whole.keys()
        assert [name for name in whole if not np.array_equal(whole[name], again[name])] == [], (size, is_sharded)
    (tmp_path / "shard-00001.safetensors").unlink()
    from sft_cli.training.processes.sharding import load_sharded

    with pytest.raises(UserError, match=r"expected 2 files shard-\*\.safetensors, got 1"):
        load_sharded(tmp_path, torch.nn.Linear(1, 1), torch.optim.SGD([torch.zeros(1)]))


documents = st.lists(st.integers(1, 300), min_size=1, max_size=40)


@given(documents, st.integers(1, 9), st.integers(1, 512))
def test_every_document_is_computed_once_and_all_have_as_many_turns(
    lengths: list[int], size: int, microbatch_tokens: int
) -> None:
    shares = [share_documents(lengths, microbatch_tokens, rank, size) for rank in range(size)]
    assert len({len(own) for own in shares}) == 1
    assert sorted(i for own in shares for members in own for i in members) == list(range(len(lengths)))
    for members in (members for own in shares for members in own):
        assert sum(lengths[i] for i in members) <= microbatch_tokens or len(members) == 1
    assert share_documents(lengths, microbatch_tokens, 0, 1) == microbatches(lengths, microbatch_tokens)


@given(documents, st.integers(1, 9))
def test_no_process_gets_much_more_than_its_part(lengths: list[int], hands: int) -> None:
    loads = [sum(lengths[i] for i in group) for group in deal(lengths, hands)]
    assert max(loads) <= sum(lengths) / hands + max(lengths)
    assert max(loads) - min(loads) <= max(lengths)
    assert len(lengths) < hands or min(loads) > 0


def test_the_gradient_norm_is_that_of_float64() -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = [(5000, 300), (300,), (4, 3, 5), (), (0, 7)]
    for scale, largest in ((1e-3, 1.0), (1.0, 1.0), (1.0, 0.0)):
        parameters = [torch.zeros(shape, requires_grad=True) for shape in shapes]
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=draw) * scale
        wide = [parameter.grad.double() for parameter in parameters if parameter.grad is not None]
        exact = [torch.zeros_like(grad, requires_grad=True) for grad in wide]
        for parameter, grad in zip(exact, wide, strict=True):
            parameter.grad = grad.clone()
        expected = torch.nn.utils.clip_grad_norm_(exact, largest or float("inf"))
        unused = torch.zeros(3, requires_grad=True)
        assert clip_gradients([*parameters, unused], largest, World()) == pytest.approx(float(expected), rel=1e-8)
        for parameter, reference in zip(parameters, exact, strict=True):
            assert parameter.grad is not None
            assert reference.grad is not None
            torch.testing.assert_close(parameter.grad.double(), reference.grad, rtol=1e-6, atol=0)


def test_a_norm_that_is_no_number_is_given_as_such() -> None:
    for value in (float("nan"), float("inf")):
        parameter = torch.zeros(2, 2, requires_grad=True)
        parameter.grad = torch.full((2, 2), value)
        assert not np.isfinite(clip_gradients([parameter], 1.0, World()))


def test_half_an_environment_is_refused_in_one_line() -> None:
    assert world_of({}) == World()
    assert world_of({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}) == World(3, 4, 1)
    with pytest.raises(UserError, match=r"WORLD_SIZE=2: expected numbers in WORLD_SIZE, RANK and LOCAL_RANK"):
        world_of({"WORLD_SIZE": "2", "RANK": "0"})
    with pytest.raises(UserError, match=r"RANK=2: expected a number from 0 to 1 \(WORLD_SIZE=2\)"):
        world_of({"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0"})


def test_sharding_needs_processes(tiny: Path, uneven: Path, tmp_path: Path) -> None:
    code, out, err = sft("train", uneven, "--model", tiny, "-o", tmp_path / "run", "--shard", *QUICK)
    assert (code, out) == (2, "")
    assert "--shard: needs several processes, but sft was started without torchrun\nhint: torchrun" in err
