"""Synaptic intelligence against its definition."""

from __future__ import annotations

import pytest
import torch

from sft_cli.run.errors import UserError
from sft_cli.training.continual.si import PathIntegral


def descend(steps: int, rate: float, penalty: float = 0.0, clip: float = 1.0) -> tuple[PathIntegral, float]:
    """Plain gradient descent on a quadratic of two weights, of which the second has no influence."""
    weight = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
    curvature = torch.tensor([1.0, 0.0])

    def loss() -> torch.Tensor:
        return (curvature * weight.square()).sum() / 2

    recorder, first = PathIntegral({"w": weight}), float(loss().detach())
    for _ in range(steps):
        (weight.grad,) = torch.autograd.grad(loss(), weight)
        weight.grad *= clip
        recorder.before_step(clip)
        with torch.no_grad():
            weight.grad += penalty * torch.ones(2)  # what a regularizer adds is none of the task's doing
            weight -= rate / clip * weight.grad
        recorder.after_step({})
    return recorder, first - float(loss().detach())


def test_omega_sums_to_what_the_loss_has_fallen_by() -> None:
    recorder, fallen = descend(2000, 1e-3)
    assert float(recorder.omega["w"].sum()) == pytest.approx(fallen, rel=2e-3)
    assert float(recorder.omega["w"][1]) == 0.0


def test_clipping_does_not_change_it() -> None:
    assert torch.allclose(descend(200, 1e-2)[0].omega["w"], descend(200, 1e-2, clip=0.1)[0].omega["w"], rtol=1e-5)


def test_a_weight_that_only_a_penalty_moves_has_no_importance() -> None:
    recorder, _ = descend(100, 1e-2, penalty=0.5)
    importance = recorder.importance().values["w"]
    assert float(importance[1]) == 0.0
    assert float(importance.mean()) == pytest.approx(1.0)


def test_importance_is_omega_over_the_squared_move_and_never_negative() -> None:
    recorder, _ = descend(100, 1e-2)
    move = (recorder.weights["w"].detach() - recorder.first["w"]).square()
    raw = recorder.omega["w"].clamp(min=0) / (move + move.mean())
    assert torch.allclose(recorder.importance().values["w"], raw / raw.mean())
    recorder.omega["w"] *= -1
    with pytest.raises(UserError, match=r"importance \(si\): expected a mean above 0, got 0: for these rows no weight"):
        recorder.importance()
