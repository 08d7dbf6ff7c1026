"""Attention on a CPU by plain products: torch's own attention on each document, value and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from sft_cli.model.cpu_attention import QUERY_BLOCK, Scoring, cpu_attention

LENGTHS = (1, 2, 65, QUERY_BLOCK - 1, QUERY_BLOCK, QUERY_BLOCK + 1, 2 * QUERY_BLOCK + 7)


def problem(dtype: torch.dtype, heads: int = 4, groups: int = 2, size: int = 8) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    shapes = [(1, n, sum(LENGTHS), size) for n in (heads, groups, groups)]
    inputs = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
    return [tensor.to(dtype).requires_grad_() for tensor in inputs]


def torch_attention(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    parts = zip(*(tensor.split(LENGTHS, 2) for tensor in (query, key, value)), strict=True)
    outputs = [scaled_dot_product_attention(*part, is_causal=True, scale=scale, enable_gqa=True) for part in parts]
    return torch.cat(outputs, 2).transpose(1, 2)


def gradient_of(output: Tensor) -> Tensor:
    """Some gradient of a scalar with respect to an output."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return weights.to(output.dtype)


def gradients(output: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(output, inputs, gradient_of(output))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("wide_scores", [False, True])
def test_value_and_gradients_equal_torch_in_float64(groups: int, scale: float | None, wide_scores: bool) -> None:
    inputs = problem(torch.float64, groups=groups)
    ours = cpu_attention(*inputs, LENGTHS, Scoring(scale, wide_scores))  # type: ignore[misc]
    theirs = torch_attention(*inputs, scale=scale)  # type: ignore[misc]
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for our, their in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        torch.testing.assert_close(our, their, rtol=1e-10, atol=1e-12)


def test_tokens_after_the_last_document_give_zeros_and_get_no_gradient() -> None:
    inputs = problem(torch.float64)
    filled = [torch.nn.functional.pad(part, (0, 0, 0, 3), value=torch.nan).detach().requires_grad_() for part in inputs]
    alone, with_filler = cpu_attention(*inputs, LENGTHS), cpu_attention(*filled, LENGTHS)  # type: ignore[misc]
    assert torch.equal(with_filler[:, :-3], alone)
    assert not with_filler[:, -3:].any()
    for with_tail, plain in zip(
        gradients(with_filler, filled),
        torch.autograd.grad(alone, inputs, gradient_of(with_filler)[:, :-3]),
        strict=True,
    ):
        assert torch.equal(with_tail[:, :, :-3], plain)
        assert not with_tail[:, :, -3:].any()


def error(found: Any, exact: Any) -> float:
    return max(float((a.double() - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True))


def exact(inputs: list[Tensor]) -> list[Tensor]:
    """Output and gradients in float64, of the same inputs."""
    wide = [tensor.detach().double().requires_grad_() for tensor in inputs]
    output = torch_attention(*wide)  # type: ignore[misc]
    return [output.detach(), *gradients(output, wide)]


def test_in_bfloat16_the_error_is_of_the_size_of_torchs() -> None:
    inputs = problem(torch.bfloat16)
    outputs = cpu_attention(*inputs, LENGTHS), torch_attention(*inputs)  # type: ignore[misc]
    ours, theirs = (error([out.detach(), *gradients(out, inputs)], exact(inputs)) for out in outputs)
    assert ours < 2 * theirs
    assert ours < 0.01


def test_wide_scores_bear_keys_with_a_large_common_part() -> None:
    inputs = problem(torch.bfloat16)
    biased = [inputs[0], (inputs[1] + 30.0).detach().requires_grad_(), inputs[2]]
    with torch.no_grad():
        narrow, wide = (cpu_attention(*biased, LENGTHS, Scoring(None, wide)) for wide in (False, True))  # type: ignore[misc]
        theirs = torch_attention(*biased)  # type: ignore[misc]
    output = exact(biased)[:1]
    assert error([wide], output) < 2 * error([theirs], output)
    assert error([narrow], output) > 5 * error([wide], output)  # why a bias on the keys asks for it


def test_it_can_be_used_without_gradients() -> None:
    inputs = problem(torch.float32)
    with torch.no_grad():
        assert not cpu_attention(*inputs, LENGTHS).requires_grad  # type: ignore[misc]
