"""Which rows make a step, and how a step is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.training.batches import cut, steps_of_epoch
from sft_cli.training.schedule import SCHEDULES, learning_rate_factor

lengths = st.lists(st.integers(1, 300), max_size=40)


@given(st.integers(0, 200), st.integers(1, 17), st.integers(0, 5), st.integers(0, 3))
def test_every_row_is_seen_once_an_epoch(rows: int, batch_size: int, seed: int, epoch: int) -> None:
    steps = list(steps_of_epoch(rows, batch_size, seed, epoch))
    assert sorted(row for step in steps for row in step) == list(range(rows))
    assert all(len(step) == batch_size for step in steps[:-1])
    assert steps == list(steps_of_epoch(rows, batch_size, seed, epoch))


def test_epochs_and_seeds_give_different_orders() -> None:
    orders = {str(list(steps_of_epoch(50, 8, seed, epoch))) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@given(lengths, st.integers(1, 512))
def test_micro_batches_hold_every_document_once_within_their_tokens(documents: list[int], tokens: int) -> None:
    bins = cut(documents, tokens)
    assert sorted(member for members in bins for member in members) == list(range(len(documents)))
    assert all(sum(documents[i] for i in members) <= tokens or len(members) == 1 for members in bins)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_the_rate_rises_to_its_peak_and_never_is_zero(name: str) -> None:
    factors = [learning_rate_factor(step, 20, 4, SCHEDULES.load(name)) for step in range(20)]
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert factors[4] == 1.0
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[4:] == sorted(factors[4:], reverse=True)


def test_cosine_and_linear_equal_transformers_after_the_warm_up() -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

    for name, theirs in (("cosine", get_cosine_schedule_with_warmup), ("linear", get_linear_schedule_with_warmup)):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = theirs(optimizer, 4, 20)
        for step in range(20):
            if step >= 4:
                ours = learning_rate_factor(step, 20, 4, SCHEDULES.load(name))
                assert ours == pytest.approx(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
