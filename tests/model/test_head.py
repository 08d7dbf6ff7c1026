"""The chunked head computes the plain loss and its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sft_cli.losses.cross_entropy import cross_entropy
from sft_cli.model.head import chunked_loss

M, D, V = 77, 8, 50


def problem(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(M, D, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(V, D, generator=generator, dtype=dtype, requires_grad=True)
    labels = torch.randint(V, (M,), generator=generator)
    weights = torch.rand(M, generator=generator, dtype=dtype)
    return hidden, weight, labels, weights


def total(hidden: Tensor, weight: Tensor, labels: Tensor, weights: Tensor, chunk: int = 512) -> Tensor:
    return chunked_loss(hidden, weight, weights, lambda x, rows: cross_entropy(x, labels[rows]), chunk)[0]


@pytest.mark.parametrize("chunk", [1, 8, 77, 512])
def test_value_and_gradients_equal_the_plain_loss(chunk: int) -> None:
    hidden, weight, labels, weights = problem()
    loss = total(hidden, weight, labels, weights, chunk)
    ours = torch.autograd.grad(loss * 0.5, (hidden, weight))
    plain = (functional.cross_entropy(hidden @ weight.t(), labels, reduction="none") * weights).sum()
    theirs = torch.autograd.grad(plain * 0.5, (hidden, weight))
    assert loss.item() == pytest.approx(plain.item(), rel=1e-6)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_gradients_are_exact_in_float64() -> None:
    hidden, weight, labels, weights = problem(torch.float64)

    def loss(states: Tensor, matrix: Tensor) -> Tensor:
        return total(states, matrix, labels, weights, 10)

    assert torch.autograd.gradcheck(loss, (hidden, weight))


def test_a_frozen_head_gets_no_gradient_and_evaluation_none_at_all() -> None:
    hidden, weight, labels, weights = problem()
    frozen = weight.detach()
    total(hidden, frozen, labels, weights).backward()
    assert hidden.grad is not None
    assert frozen.grad is None
    with torch.no_grad():
        value = total(hidden, weight, labels, weights)
    assert not value.requires_grad


def test_no_targets_give_zero_that_can_be_differentiated() -> None:
    hidden, weight, labels, weights = problem()
    loss = total(hidden[:0], weight, labels[:0], weights[:0])
    loss.backward()
    assert float(loss.detach()) == 0.0


def test_under_autocast_products_are_narrow_and_sums_are_not() -> None:
    hidden, weight, labels, weights = problem()
    exact = total(hidden, weight, labels, weights)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = total(hidden, weight, labels, weights)
    assert narrow.dtype == torch.float32
    assert float(narrow.detach()) != float(exact.detach())
    assert float(narrow) == pytest.approx(float(exact), rel=2e-2)
