"""Layers that are replaced give the numbers of those that they replace."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from small_training import add_lora
from tiny_models import make_model
from torch import Tensor

from sft_cli.model.fused import fuse_layers, gated, rms_norm

IDS = torch.arange(3, 20)[None]


def loss_and_gradients(model: Any) -> tuple[float, list[Tensor]]:
    logits = model(IDS).logits[0, :-1]
    loss = torch.nn.functional.cross_entropy(logits, IDS[0, 1:])
    return float(loss.detach()), list(torch.autograd.grad(loss, [p for p in model.parameters() if p.requires_grad]))


@pytest.mark.parametrize("kind", ["full", "lora before", "lora after"])
def test_a_model_computes_the_same_with_fused_layers(kind: str) -> None:
    plain = make_model(200).double()
    fused = copy.deepcopy(plain)
    if kind == "lora before":
        plain, fused = (add_lora(model, "tiny", 4, 8, 0.0, seed=0).double() for model in (plain, fused))
    assert fuse_layers(fused) == {"norms": 5, "gates": 2}
    if kind == "lora after":
        plain, fused = (add_lora(model, "tiny", 4, 8, 0.0, seed=0).double() for model in (plain, fused))
    (our_loss, ours), (their_loss, theirs) = loss_and_gradients(fused), loss_and_gradients(plain)
    assert our_loss == pytest.approx(their_loss, rel=1e-6)  # transformers' norm computes in float32
    largest = max(float(gradient.abs().max()) for gradient in theirs)
    assert all(float((our - their).abs().max()) < 1e-5 * largest for our, their in zip(ours, theirs, strict=True))


def test_gradients_are_exact_in_float64() -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 3, 8, generator=draw, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.rand(8, generator=draw, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, w: rms_norm(a, w, 1e-5), (x, weight))
    assert torch.autograd.gradcheck(lambda a: rms_norm(a, weight.detach(), 1e-5), (x,))
    assert torch.autograd.gradcheck(gated, (x, y))


def test_a_norm_gives_the_narrow_format_under_autocast_and_its_gradients_stay_wide() -> None:
    x, weight = torch.randn(3, 8, requires_grad=True), torch.ones(8, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = rms_norm(x, weight, 1e-5)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert weight.grad is not None
    assert x.grad.dtype == weight.grad.dtype == torch.float32
    exact = x.detach() / (x.detach().pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(out.float(), exact, rtol=1e-2, atol=1e-2)


class OddRMSNorm(torch.nn.Module):
    """Gemma's norm: the weight is an offset from one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = torch.nn.Parameter(torch.zeros(8)), 1e-6

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon) * (1 + self.weight)


class OddMLP(torch.nn.Module):
    """A gated MLP with another activation."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (torch.nn.Linear(8, 8) for _ in range(3))
        self.act_fn = torch.nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


def test_layers_that_compute_something_else_are_left_alone() -> None:
    assert fuse_layers(torch.nn.ModuleList([OddRMSNorm(), OddMLP()])) == {"norms": 0, "gates": 0}
