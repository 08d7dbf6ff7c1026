"""How a model is run changes memory and speed, not what it learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import OBJECTIVE, corpus
from training_files import step_lines

from sft_cli.model import compiling
from sft_cli.model.adapters import AdapterPlan
from sft_cli.model.adapters.add import add_adapter
from sft_cli.model.attention import NAME, document_attention
from sft_cli.model.load import load_model
from sft_cli.run.errors import UserError
from sft_cli.training.compute import Compute

QUICK = ("--batch-size", 4, "--dtype", "float32", "--learning-rate", 1e-2)


@pytest.fixture
def attention() -> Any:
    """Puts our attention back as it was: compiling registers one that is not traced."""
    from transformers import AttentionInterface

    yield
    AttentionInterface.register(NAME, document_attention)


def gradients(model: Any) -> torch.Tensor:
    torch.manual_seed(0)  # of dropout
    model.train()
    Compute(model, microbatch_tokens=120).backward(corpus().examples, OBJECTIVE)
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_checkpointed_activations_give_the_same_gradients_over_packed_rows(
    tiny: Path, adapter: str, monkeypatch: Any
) -> None:
    found, runs = {}, {}
    for is_on in (False, True):
        model = load_model(str(tiny))
        assert model.config._attn_implementation == NAME
        if adapter == "lora":
            model = add_adapter(model, str(tiny), AdapterPlan("lora", 4, 8, dropout=0.1))
            with torch.no_grad():
                for name, weight in model.named_parameters():
                    if "lora_B" in name:
                        weight.fill_(0.01)
        if is_on:
            compiling.checkpoint_activations(model)
        count = []
        layers = [module for module in model.modules() if type(module).__name__ == "LlamaAttention"]
        layers[0].register_forward_hook(lambda *_, count=count: count.append(1))
        found[is_on], runs[is_on] = gradients(model), len(count)
    assert runs[True] == 2 * runs[False]  # it did compute the layer again
    assert float((found[True] - found[False]).abs().max()) <= 1e-6 * float(found[False].abs().max())


def test_a_checkpointed_run_gives_the_same_losses(sft: Any, tiny: Path, rows_file: Path, tmp_path: Path) -> None:
    losses = []
    for name, words in {"a": (), "b": ("--checkpoint-activations",)}.items():
        command = ("train", rows_file, "--model", tiny, "-o", tmp_path / name, *QUICK, "--epochs", 2, *words)
        assert sft(*command).code == 0
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_compiling_leaves_weights_and_losses_as_they_are(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, attention: Any, monkeypatch: Any
) -> None:
    """With a stand-in for the compiler, which counts its calls; the slow test below compiles for real."""
    asked: list[Any] = []
    calls: list[int] = []

    def stand_in(module: Any, **options: Any) -> None:
        def call(*words: Any, **named: Any) -> Any:
            calls.append(1)
            return module._call_impl(*words, **named)

        asked.append((type(module).__name__, options))
        module._compiled_call_impl = call

    monkeypatch.setattr(torch.nn.Module, "compile", stand_in)
    monkeypatch.setattr(compiling, "_try_compiler", lambda: None)
    losses, names = [], []
    for name, words in {"a": (), "b": ("--compile", "--adapter", "none")}.items():
        out = tmp_path / name
        command = ("train", rows_file, "--model", tiny, "-o", out, *QUICK, "--eval-data", rows_file, *words)
        result = sft(*command)
        assert result.code == 0, result.err
        lines = step_lines(out)
        losses.append([line["loss"] for line in lines] + [lines[-1]["eval_loss"]])
        from safetensors.torch import load_file

        names.append(set(load_file(out / "model.safetensors")))
    assert asked == [("LlamaModel", {"dynamic": True})]
    assert len(calls) == 4  # two steps, and the held-out rows before and after
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert names[0] == names[1]


@pytest.mark.slow
def test_a_compiled_run_gives_the_same_losses(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, attention: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What another run has compiled for other instructions of the processor would crash this one.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    losses = []
    for name, words in {"a": (), "b": ("--compile",), "c": ("--compile", "--checkpoint-activations")}.items():
        command = ("train", rows_file, "--model", tiny, "-o", tmp_path / name, *QUICK, "--epochs", 2, *words)
        result = sft(*command, "--adapter", "lora", "--rank", 4)
        assert result.code == 0, result.err
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[2] == pytest.approx(losses[0], rel=1e-3)


def test_a_compiler_that_does_not_work_is_one_line(
    sft: Any, tiny: Path, rows_file: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    def broken(function: Any) -> Any:
        raise RuntimeError("No working C++ compiler found in g++\nand much more")

    monkeypatch.setattr(torch, "compile", broken)
    result = sft("train", rows_file, "--model", tiny, "-o", tmp_path / "run", *QUICK, "--compile")
    assert result.code == 2
    assert result.err.endswith(
        "--compile: torch.compile does not work here: No working C++ compiler found in g++\n"
        "hint: it needs a C++ compiler (Debian: apt install g++) and Python's header files\n"
    )
    assert not (tmp_path / "run").exists()


def test_a_model_that_cannot_checkpoint_is_named(tiny: Path, monkeypatch: Any) -> None:
    model = load_model(str(tiny))
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(UserError, match="--checkpoint-activations: LlamaForCausalLM does not support this"):
        compiling.checkpoint_activations(model)
