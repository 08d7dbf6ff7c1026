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


def test_cross_entropy_is_the_weighted_sum_of_negative_log_probabilities() -> None:
    loss = LOSSES.load("cross-entropy")
    x = logits(0)
    by_hand = sum(-w * (row[y] - row.exp().sum().log()) for row, y, w in zip(x, LABELS, WEIGHTS, strict=True))
    assert float(loss(x, LABELS, WEIGHTS)) == pytest.approx(float(by_hand), rel=1e-12)
    ones = torch.ones(6, dtype=torch.float64)
    theirs = functional.cross_entropy(x, LABELS, reduction="sum")
    assert float(loss(x, LABELS, ones)) == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_has_the_right_gradient_and_is_zero_on_nothing(name: str) -> None:
    loss = LOSSES.load(name)
    x = logits(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: loss(value, LABELS, WEIGHTS), (x,))
    assert loss(x[:0], LABELS[:0], WEIGHTS[:0]).item() == 0.0


def test_kl_of_equal_distributions_is_zero_and_of_others_is_not() -> None:
    x = logits(2)
    assert float(forward_kl(x, x + 3.0, WEIGHTS, 2.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(forward_kl(x, logits(3), WEIGHTS, 2.0)) > 0.1


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_kl_equals_torch_and_runs_from_teacher_to_student(temperature: float) -> None:
    student, teacher = logits(4), logits(5)
    theirs = functional.kl_div(
        (student / temperature).log_softmax(-1),
        (teacher / temperature).log_softmax(-1),
        log_target=True,
        reduction="none",
    ).sum(-1)
    ours = forward_kl(student, teacher, WEIGHTS, temperature)
    assert float(ours) == pytest.approx(float((theirs * WEIGHTS).sum()), rel=1e-12)


def test_kl_to_a_certain_teacher_is_cross_entropy() -> None:
    student = logits(6)
    certain = functional.one_hot(LABELS, 9).double() * 200.0
    theirs = functional.cross_entropy(student, LABELS, reduction="sum")
    assert float(forward_kl(student, certain, torch.ones(6, dtype=torch.float64))) == pytest.approx(
        float(theirs), rel=1e-9
    )


def test_t_squared_keeps_the_gradient_of_kl_of_one_size() -> None:
    sizes = []
    for temperature in (1.0, 8.0, 16.0):
        student = (logits(7) * 0.01).requires_grad_()
        value = temperature**2 * forward_kl(student, logits(8) * 0.01, WEIGHTS, temperature)
        sizes.append(float(torch.autograd.grad(value, student)[0].norm()))
    assert max(sizes) / min(sizes) < 1.02  # Hinton et al. 2015: gradients scale as 1/T² for small logits
