"""Which rows make a step, and how a step is cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_plan import corpus, settings

from sft_cli.encoding.encoder import Example
from sft_cli.run.errors import UserError
from sft_cli.training.plan.packing import microbatches
from sft_cli.training.plan.schedule import learning_rate_factor
from sft_cli.training.plan.steps import StepPlan, even_edges
from sft_cli.training.rows.corpus import Corpus
from sft_cli.training.settings import TrainSettings
from sft_cli.training.settings.checks import check_plan_settings
from sft_cli.training.tables import SCHEDULES

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=40)


def steps_of_run(rows: Corpus, chosen: TrainSettings) -> list[tuple[int, list[int], bool]]:
    return [(step.epoch, step.rows, step.ends_epoch) for step in StepPlan(rows, chosen).after(0)]


def test_replayed_rows_are_one_source_whatever_their_tasks() -> None:
    examples = [Example(np.zeros(3, np.int32), np.ones(3, np.float32))] * 40
    tasks = ["new"] * 30 + ["a"] * 6 + ["b"] * 4
    rows = Corpus(examples, [f"r{i}" for i in range(40)], tasks, replays=[False] * 30 + [True] * 10)
    plan = StepPlan(rows, settings(mix=["new=0.9", "replay=0.1"], batch_size=10))
    assert plan.mixture is not None
    assert plan.mixture.lines()[1:] == [
        "  new: 90.0% of the rows; 30 rows, 36 rows per epoch, each seen 1.20 times",
        "  replay: 10.0% of the rows; 10 rows, 4 rows per epoch, each seen 0.40 times",
    ]
    assert plan.tasks == ["a", "b", "new"]  # losses are by task
    by_task = StepPlan(rows, settings(mix=["new=0.8", "a=0.1", "b=0.1"], batch_size=10))
    assert by_task.mixture is not None
    assert by_task.mixture.names == ["a", "b", "new"]
    with pytest.raises(UserError, match="--mix: no row has the name 'replay'"):
        StepPlan(corpus([1] * 4, ["a", "a", "b", "b"]), settings(mix=["a=1", "b=1", "replay=1"]))


@given(st.integers(1, 200), st.integers(1, 17), st.integers(0, 5), st.integers(0, 3))
def test_every_row_is_seen_once_an_epoch(rows: int, batch_size: int, seed: int, epoch: int) -> None:
    plan = StepPlan(corpus([1] * rows), settings(batch_size=batch_size, seed=seed))
    steps = plan.steps_of(epoch)
    assert sorted(row for step in steps for row in step) == list(range(rows))
    assert all(len(step) == batch_size for step in steps[:-1])
    assert steps == plan.steps_of(epoch)


def test_epochs_and_seeds_give_different_orders() -> None:
    rows = corpus([5] * 50)
    for more in ({}, {"batch_size": None, "batch_tokens": 20}):
        orders = {
            str(StepPlan(rows, settings(seed=seed, **more)).steps_of(epoch)) for seed in (0, 1) for epoch in (0, 1)
        }
        assert len(orders) == 4


def test_a_step_has_eight_rows_if_nothing_is_said() -> None:
    assert [len(rows) for _, rows, _ in steps_of_run(corpus([1] * 20), settings())] == [8, 8, 4]


@given(lengths, st.integers(1, 700), st.integers(1, 400), st.integers(0, 2), st.data())
def test_by_tokens_every_row_is_seen_once_an_epoch_too(
    documents: list[int], batch_tokens: int, microbatch_tokens: int, seed: int, data: st.DataObject
) -> None:
    order = data.draw(st.sampled_from(["shuffled", "given", "length"]))
    chosen = settings(batch_tokens=batch_tokens, microbatch_tokens=microbatch_tokens, seed=seed, order=order, epochs=3)
    plan = StepPlan(corpus(documents), chosen)
    steps = list(plan.after(0))
    assert len(steps) == len(plan) == 3 * plan.steps_per_epoch
    assert all(step.rows for step in steps)
    for epoch in range(3):
        inside = [step for step in steps if step.epoch == epoch]
        assert sorted(row for step in inside for row in step.rows) == list(range(len(documents)))
        assert [step.ends_epoch for step in inside] == [False] * (len(inside) - 1) + [True]


@given(
    lengths,
    st.sampled_from([{"batch_size": 3}, {"batch_tokens": 200}, {"batch_size": 2, "mix_temperature": 2.0}]),
    st.integers(0, 60),
)
def test_a_position_in_the_plan_is_one_number(documents: list[int], size: dict[str, Any], done: int) -> None:
    rows = corpus(documents, ["a" if i % 3 else "b" for i in range(len(documents))])
    plan = StepPlan(rows, settings(epochs=3, microbatch_tokens=100, **size))
    assert list(plan.after(done)) == list(StepPlan(rows, plan.settings).after(0))[done:]


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200), st.integers(1, 8))
def test_a_step_of_k_bins_has_no_more_than_k(documents: list[int], bins: int) -> None:
    plan = StepPlan(corpus(documents), settings(batch_tokens=64 * bins, microbatch_tokens=64))
    sizes = [sum(documents[row] for row in step) for step in plan.steps_of(0)]
    assert max(sizes) <= 64 * bins
    assert len(sizes) <= -(-(2 * sum(documents) // 64 + 1) // bins)  # best fit leaves no two bins half empty


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200), st.integers(64, 1000))
def test_a_step_of_rows_in_order_has_about_as_many_tokens_as_asked(documents: list[int], batch_tokens: int) -> None:
    plan = StepPlan(corpus(documents), settings(batch_tokens=batch_tokens, order="given"))
    assert plan.steps_per_epoch == -(-sum(documents) // batch_tokens)
    share = sum(documents) / plan.steps_per_epoch
    for step in plan.steps_of(0):
        assert abs(sum(documents[row] for row in step) - share) <= 64  # each of its ends is off by half a row at most


def test_an_epoch_that_packs_better_than_the_first_still_has_its_steps() -> None:
    documents = np.random.default_rng(3).integers(1, 30, 300).tolist()
    better = 0
    for seed in range(12):
        plan = StepPlan(corpus(documents), settings(batch_tokens=64, epochs=12, seed=seed))
        for epoch in range(12):
            better += len(plan._bins(plan._order(epoch), epoch)) < plan.steps_per_epoch
            steps = plan.steps_of(epoch)
            assert len(steps) == plan.steps_per_epoch
            assert all(steps)
            assert steps == plan.steps_of(epoch)
    assert better


def test_a_row_longer_than_a_step_does_not_starve_the_others() -> None:
    documents = [1000, *[10] * 100]
    for order in ("shuffled", "given"):
        plan = StepPlan(corpus(documents), settings(batch_tokens=100, order=order))
        sizes = sorted(sum(documents[row] for row in step) for step in plan.steps_of(0))
        assert sizes == [*[100] * 10, 1000]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.data())
def test_edges_leave_no_step_empty(sizes: list[int], data: st.DataObject) -> None:
    parts = data.draw(st.integers(1, len(sizes)))
    edges = even_edges(sizes, parts)
    assert (edges[0], edges[-1], len(edges)) == (0, len(sizes), parts + 1)
    assert all(a < b for a, b in pairwise(edges))


def test_a_step_made_of_full_bins_is_cut_into_no_more_micro_batches() -> None:
    draw = np.random.default_rng(0)
    documents = np.minimum(draw.lognormal(5.5, 0.8, 2000).astype(int) + 1, 1024).tolist()
    plan = StepPlan(corpus(documents), settings(batch_tokens=8192, microbatch_tokens=1024))
    steps = plan.steps_of(0)
    counts = [len(microbatches([documents[row] for row in step], 1024)) for step in steps]
    assert sum(documents) / (1024 * sum(counts)) > 0.985
    assert "are 99." in plan.lines()[0] or "are 98." in plan.lines()[0]


def test_orders_go_through_the_rows_as_they_say() -> None:
    documents, difficulties = [30, 10, 20, 10, 40], [0.5, 2.0, -1.0, 0.5, 1.0]
    rows = corpus(documents, difficulties=difficulties)

    def order(name: str, **more: Any) -> list[list[int]]:
        plan = StepPlan(rows, settings(order=name, batch_size=2, epochs=2, **more))
        return [[row for step in plan.steps_of(epoch) for row in step] for epoch in (0, 1)]

    assert order("given") == [[0, 1, 2, 3, 4]] * 2
    assert [[documents[row] for row in epoch] for epoch in order("length")] == [[10, 10, 20, 30, 40]] * 2
    assert [[difficulties[row] for row in epoch] for epoch in order("curriculum")] == [sorted(difficulties)] * 2
    ties = {str(order("length", seed=seed)[0][:2]) for seed in range(8)}
    assert ties == {"[1, 3]", "[3, 1]"}  # equal lengths are shuffled
    plan = StepPlan(rows, settings(order="length", batch_tokens=40))
    assert [sum(documents[row] for row in step) for step in plan.steps_of(0)] == [40, 30, 40]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"batch_size": 4, "batch_tokens": 100},
            "--batch-tokens: expected only one of --batch-size and --batch-tokens",
        ),
        (
            {"mix": ["a=1"], "mix_temperature": 2.0},
            "--mix-temperature: expected only one of --mix and --mix-temperature",
        ),
        ({"stratify": True, "order": "length"}, "--order: expected `shuffled` with "),
        ({"stratify": True, "batch_tokens": 9}, "--stratify: expected --batch-size, got"),
        ({"mix": ["a=1"], "order": "length"}, "--order: expected `shuffled` with "),
        ({"curriculum_key": "level"}, "--curriculum-key: has an effect only with --order curriculum"),
        ({"mix": ["a"]}, "--mix: expected NAME=NUMBER, got 'a'"),
        ({"mix": ["a=x"]}, "--mix: expected NAME=NUMBER, got 'a=x'"),
        ({"mix": ["a=nan"]}, "--mix: expected NAME=NUMBER, got 'a=nan'"),
        ({"mix": ["a=-1"]}, "--mix: a: expected at least 0, got -1"),
        ({"mix": ["a=1", "a=2"]}, "--mix: a: given twice"),
        ({"task_weight": ["a=0"]}, "--task-weight: a: expected more than 0, got 0"),
    ],
)
def test_flags_that_contradict_one_another_are_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check_plan_settings(settings(**flags))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


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
