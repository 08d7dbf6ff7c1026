"""NEFTune: how large the noise is on each document, and where there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_command import run_command
from small_training import add_lora
from torch import Tensor
from training_files import step_lines

from sft_cli.encoding.encoder import Example
from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.model.forward import Batch, inner_model, make_batch, target_logits, target_states
from sft_cli.model.load import load_model
from sft_cli.training.neftune import add_neftune
from sft_cli.training.objective import supervised

ALPHA, WIDTH = 5.0, 32
LENGTHS = (40, 5, 100, 3)


def batch() -> Batch:
    draw, examples = np.random.default_rng(2), []
    for length in LENGTHS:
        weights = np.ones(length, dtype=np.float32)
        weights[0] = 0
        examples.append(Example(draw.integers(3, 200, length).astype(np.int32), weights))
    return make_batch(examples)


def embeddings(model: Any, compute: Any = target_states) -> Tensor:
    """What the first layer gets of each forward pass, laid end to end (N, d), without the filler after them."""
    seen: list[Tensor] = []
    layer = inner_model(model).base_model.layers[0]
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        compute(model, batch())
    finally:
        handle.remove()
    if seen[0].shape[0] == len(LENGTHS):
        return torch.cat([row[:length] for row, length in zip(seen[0], LENGTHS, strict=True)])
    return torch.cat([part[0] for part in seen])[: sum(LENGTHS)]


def noises(model: Any, compute: Any = target_states) -> tuple[Tensor, ...]:
    clean = inner_model(model).get_input_embeddings().weight[batch().ids[0]].detach()
    return (embeddings(model, compute) - clean).split(LENGTHS)


@pytest.mark.parametrize("how", ["packed", "padded", "alone", "lora"])
def test_the_noise_of_a_document_goes_by_its_own_length(tiny: Path, how: str) -> None:
    model = load_model(str(tiny))
    if how == "lora":
        model = add_lora(model, str(tiny), 4, 8, 0.0, seed=0)
    if how == "padded":
        model.set_attn_implementation("sdpa")
    add_neftune(model, ALPHA)
    model.train()
    torch.manual_seed(0)
    for length, noise in zip(LENGTHS, noises(model, target_logits if how == "alone" else target_states), strict=True):
        bound = ALPHA / math.sqrt(length * WIDTH)
        count = length * WIDTH
        assert 0.9 * bound < float(noise.abs().max()) <= bound * (1 + 1e-5)
        # Of n uniform draws in [−b, b]: the mean has deviation b/√(3n), the mean square b²/3·(1 ± √(0.8/n)).
        assert abs(float(noise.mean())) < 4 * bound / math.sqrt(3 * count)
        assert float(noise.square().mean()) == pytest.approx(bound**2 / 3, rel=4 * math.sqrt(0.8 / count))


def test_there_is_none_in_evaluation_and_none_unless_asked_for(tiny: Path) -> None:
    model = load_model(str(tiny)).train()
    assert all(float(noise.abs().max()) == 0.0 for noise in noises(model))
    add_neftune(model, ALPHA)
    model.eval()
    assert all(float(noise.abs().max()) == 0.0 for noise in noises(model))
    model.train()
    assert all(float(noise.abs().min(-1).values.max()) > 0.0 for noise in noises(model))


def test_the_noise_comes_from_torchs_generator_and_is_new_each_time(tiny: Path) -> None:
    model = load_model(str(tiny)).train()
    add_neftune(model, ALPHA)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    first, second = embeddings(model), embeddings(model)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(embeddings(model), first)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_gradients_flow_through_it(tiny: Path, kind: str) -> None:
    model = load_model(str(tiny))
    if kind == "lora":
        model = add_lora(model, str(tiny), 4, 8, 0.0, seed=0)
    model.train()

    def gradients() -> list[Tensor]:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        total, _ = supervised(cross_entropy)(model, batch())
        return list(torch.autograd.grad(total, trained))

    clean = gradients()
    add_neftune(model, 1e-4)
    for noisy, plain in zip(gradients(), clean, strict=True):
        assert float((noisy - plain).norm()) <= 1e-2 * float(plain.norm())
    add_neftune(model, 100.0)
    assert any(not torch.allclose(noisy, plain, rtol=0.1) for noisy, plain in zip(gradients(), clean, strict=True))


@pytest.mark.slow
def test_the_command_trains_with_it_and_saves_a_plain_model(
    monkeypatch: Any, capsys: Any, tiny: Path, rows_file: Path, tmp_path: Path
) -> None:
    def train(name: str, *flags: Any) -> tuple[list[float], list[float]]:
        out = tmp_path / name
        steps = ("--epochs", 4, "--batch-size", 8, "--learning-rate", 1e-2, "--eval-data", rows_file)
        result = run_command(monkeypatch, capsys, "train", rows_file, "--model", tiny, "-o", out, *steps, *flags)
        assert result.code == 0, result.err
        lines = step_lines(out)
        return [line["loss"] for line in lines], [line["eval_loss"] for line in lines]

    plain, _ = train("plain")
    noisy, held_out = train("noisy", "--neftune-alpha", 5)
    again, _ = train("again", "--neftune-alpha", 5)
    lora, _ = train("lora", "--neftune-alpha", 5, "--adapter", "lora")
    assert noisy == again  # the seed decides
    assert noisy[0] != plain[0]
    assert held_out[-1] < 0.9 * held_out[0]
    assert lora[0] == pytest.approx(noisy[0], rel=0.2)
    saved = load_model(str(tmp_path / "noisy")).train()
    assert all(float(noise.abs().max()) == 0.0 for noise in noises(saved))
    words = ("train", rows_file, "--model", tiny, "-o", tmp_path / "x", "--neftune-alpha", 0)
    refused = run_command(monkeypatch, capsys, *words)
    assert (refused.code, "--neftune-alpha: expected more than 0, got 0.0" in refused.err) == (2, True)
