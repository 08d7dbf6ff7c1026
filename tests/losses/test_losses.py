"""Losses against plain float64 references."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sft_cli.losses import LOSSES
from sft_cli.losses.distillation import forward_kl


def logits(seed: int, rows: int = 6, classes: int = 9) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 8, 3, 3, 1, 7])
WEIGHTS = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0, 1.0], dtype=torch.float64)


def test_cross_entropy_is_the_negative_log_probability() -> None:
    loss = LOSSES.load("cross-entropy")
    x = logits(0)
    by_hand = torch.stack([row.exp().sum().log() - row[y] for row, y in zip(x, LABELS, strict=True)])
    torch.testing.assert_close(loss(x, LABELS), by_hand, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss(x, LABELS), functional.cross_entropy(x, LABELS, reduction="none"))


# Losses with a factor that is held fixed: by definition their gradient is not the slope of their value.
FIXED_FACTOR = {"dft", "eaft"}


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in FIXED_FACTOR])
def test_every_loss_has_the_right_gradient(name: str) -> None:
    loss = LOSSES.load(name)
    x = logits(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: (loss(value, LABELS) * WEIGHTS).sum(), (x,))


@pytest.mark.parametrize("name", sorted(FIXED_FACTOR))
def test_a_factor_that_is_held_fixed_scales_the_gradient_of_cross_entropy(name: str) -> None:
    x = logits(1).requires_grad_()
    plain = functional.cross_entropy(x, LABELS, reduction="none")
    values = LOSSES.load(name)(x, LABELS)
    factor = (values / plain).detach()
    ours, scaled = (torch.autograd.grad((v * WEIGHTS).sum(), x)[0] for v in (values, factor * plain))
    torch.testing.assert_close(ours, scaled, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_takes_nothing(name: str) -> None:
    assert LOSSES.load(name)(logits(1)[:0], LABELS[:0]).shape == (0,)


def test_kl_of_equal_distributions_is_zero_and_of_others_is_not() -> None:
    x = logits(2)
    assert forward_kl(x, x + 3.0, 2.0).numpy() == pytest.approx(0.0, abs=1e-12)
    assert float(forward_kl(x, logits(3), 2.0).min()) > 0.01


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_kl_equals_torch_and_runs_from_teacher_to_student(temperature: float) -> None:
    student, teacher = logits(4), logits(5)
    theirs = functional.kl_div(
        (student / temperature).log_softmax(-1),
        (teacher / temperature).log_softmax(-1),
        log_target=True,
        reduction="none",
    ).sum(-1)
    torch.testing.assert_close(forward_kl(student, teacher, temperature), theirs, rtol=1e-12, atol=1e-14)


def test_kl_to_a_certain_teacher_is_cross_entropy() -> None:
    student = logits(6)
    certain = functional.one_hot(LABELS, 9).double() * 200.0
    theirs = functional.cross_entropy(student, LABELS, reduction="none")
    torch.testing.assert_close(forward_kl(student, certain), theirs, rtol=1e-9, atol=0)


def test_t_squared_keeps_the_gradient_of_kl_of_one_size() -> None:
    sizes = []
    for temperature in (1.0, 8.0, 16.0):
        student = (logits(7) * 0.01).requires_grad_()
        value = temperature**2 * (forward_kl(student, logits(8) * 0.01, temperature) * WEIGHTS).sum()
        sizes.append(float(torch.autograd.grad(value, student)[0].norm()))
    assert max(sizes) / min(sizes) < 1.02  # Hinton et al. 2015: gradients scale as 1/T² for small logits
