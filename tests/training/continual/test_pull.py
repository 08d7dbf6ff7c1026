"""The pull to where training started: its gradient, its value, its own step, on whole weights and through a LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import add_lora
from torch import Tensor

from sft_cli.model.adapters.low_rank import LowRank, low_rank_layers
from sft_cli.model.load import load_model
from sft_cli.training.continual.pull import WEIGHT_BLOCK, FullPull, LowRankPull, QuadraticPenalty, pulls


def moved_weight(size: int = WEIGHT_BLOCK + 1000) -> tuple[torch.nn.Parameter, Tensor, Tensor, FullPull]:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(size))
    importance, first = torch.rand(size), weight.detach().clone()
    pull = FullPull(weight, importance)
    with torch.no_grad():
        weight.add_(torch.randn(size), alpha=0.1)
    weight.grad = torch.randn(size)
    return weight, importance, first, pull


def test_the_gradient_is_that_of_the_penalty_and_comes_once() -> None:
    weight, importance, first, pull = moved_weight()
    assert weight.grad is not None
    task = weight.grad.clone()
    wide = weight.detach().double().requires_grad_()
    value = 3.0 / 2 * (importance.double() * (wide - first.double()).square()).sum()
    value.backward()
    assert wide.grad is not None
    penalty = QuadraticPenalty("ewc", [pull], 3.0, raw_mean=0.5)
    penalty.before_step(1.0)
    penalty.after_step({weight: 0.1})
    assert torch.allclose(weight.grad.double(), task.double() + wide.grad, atol=1e-5)
    line = penalty.line()
    assert line["penalty_ewc"] == pytest.approx(float(value.detach()), rel=1e-5)
    assert line["predicted_kl"] == pytest.approx(0.5 * float(value.detach()) / 3.0, rel=1e-5)


def test_at_the_start_it_is_nothing() -> None:
    weight = torch.nn.Parameter(torch.randn(10))
    pull = FullPull(weight, None)
    penalty = QuadraticPenalty("l2-sp", [pull], 1e6)
    penalty.before_step(1.0)
    assert weight.grad is not None
    assert not weight.grad.any()
    assert penalty.line() == {"penalty_l2-sp": 0.0}


@pytest.mark.parametrize("strength", [0.5, 1e9])
def test_the_proximal_step_solves_its_equation_at_every_strength(strength: float) -> None:
    weight, importance, first, pull = moved_weight(1000)
    assert weight.grad is not None
    before, task = weight.detach().clone(), weight.grad.clone()
    penalty = QuadraticPenalty("ewc", [pull], strength, "proximal")
    penalty.before_step(1.0)
    assert torch.equal(weight.grad, task)
    penalty.after_step({weight: 0.1})
    # θ = argmin ½‖θ − before‖² + rate·λ/2·Σ f(θ − θ*)²: its gradient there is 0
    left = (weight - before) + 0.1 * strength * importance * (weight - first)
    assert float(left.detach().abs().max() / (1 + 0.1 * strength)) < 1e-5


@pytest.mark.parametrize("weighed", [True, False])
def test_a_lora_is_pulled_as_the_product_it_stands_for(weighed: bool) -> None:
    torch.manual_seed(0)
    a, b = torch.nn.Parameter(torch.randn(3, 7)), torch.nn.Parameter(torch.randn(5, 3))
    importance = torch.rand(5, 7) if weighed else None
    layer = LowRank("w", torch.zeros(5, 7), a, b, 0.5)
    moved = 0.5 * (b @ a)
    value = ((1.0 if importance is None else importance) * moved.square()).sum()
    expected = torch.autograd.grad(4.0 / 2 * value, [a, b])
    square = LowRankPull(layer, importance).add_gradient(4.0)
    assert float(square) == pytest.approx(float(value.detach()), rel=1e-5)
    assert a.grad is not None
    assert b.grad is not None
    assert torch.allclose(a.grad, expected[0], rtol=1e-4, atol=1e-5)
    assert torch.allclose(b.grad, expected[1], rtol=1e-4, atol=1e-5)


def test_a_weight_stored_as_in_by_out_keeps_its_own_importance() -> None:
    importance = torch.rand(7, 5)
    layer = LowRank("w", torch.zeros(7, 5), torch.randn(3, 7), torch.randn(5, 3), 1.0, is_transposed=True)
    assert torch.equal(layer.as_product(importance), importance.T)


def test_names_are_those_of_the_model_without_an_adapter(tiny: Path) -> None:
    plain: Any = load_model(str(tiny), "float32")
    names = {name for name, _ in plain.named_parameters()}
    layers = low_rank_layers(add_lora(load_model(str(tiny), "float32"), str(tiny), 2, 4, 0.0, 0))
    assert len(layers) == 14  # seven matrices in each of two layers
    assert {layer.name for layer in layers} <= names
    assert low_rank_layers(plain) == []
    assert len(pulls(plain, None)) == len(names)
    assert len(pulls(plain, {"model.norm.weight": torch.ones(32)})) == 1
