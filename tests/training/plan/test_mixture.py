"""Mixtures: how often each source comes, and that every step has its share."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_plan import corpus, settings

from sft_cli.run.errors import UserError
from sft_cli.training.plan.mixture import Mixture, apportion, mixture_of, settle, step_counts, stratified
from sft_cli.training.plan.steps import StepPlan

sources = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=80).map(sorted)


def mixture(names: list[str], **flags: Any) -> Mixture:
    found = mixture_of(names, settings(**flags))
    assert found is not None
    return found


def counts(mixed: Mixture) -> dict[str, int]:
    return dict(zip(mixed.names, mixed.counts.tolist(), strict=True))


def test_shares_are_divided_by_their_sum_and_an_epoch_has_as_many_rows_as_the_files() -> None:
    names = ["a"] * 60 + ["b"] * 40
    assert counts(mixture(names, mix=["a=0.7", "b=0.3"])) == {"a": 70, "b": 30}
    assert counts(mixture(names, mix=["a=7", "b=3"])) == {"a": 70, "b": 30}
    assert counts(mixture(names, mix=["a=1", "b=0"])) == {"a": 60}  # an epoch is as long as what is mixed
    assert mixture_of(names, settings()) is None


def test_a_temperature_evens_shares_out_by_its_formula() -> None:
    names = ["a"] * 90 + ["b"] * 10
    assert counts(mixture(names, mix_temperature=1)) == {"a": 90, "b": 10}
    assert counts(mixture(names, mix_temperature=2)) == {"a": 75, "b": 25}  # √90 : √10 = 3 : 1
    assert counts(mixture(names, mix_temperature=1e9)) == {"a": 50, "b": 50}
    assert counts(mixture(names, mix_temperature=1e-9)) == {"a": 99, "b": 1}


def test_the_plan_says_how_often_rows_are_seen() -> None:
    assert mixture(["a"] * 60 + ["b"] * 40, mix=["a=0.7", "b=0.3"]).lines() == [
        "mix: 2 sources",
        "  a: 70.0% of the rows; 60 rows, 70 rows per epoch, each seen 1.17 times",
        "  b: 30.0% of the rows; 40 rows, 30 rows per epoch, each seen 0.75 times",
    ]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(1, 12), st.integers(0, 3))
def test_a_stratified_step_has_every_source_and_shares_stay_as_near_as_that_allows(
    sizes: list[int], more: int, epoch: int
) -> None:
    names = [f"s{number}" for number, size in enumerate(sizes) for _ in range(size)]
    batch = len(sizes) + more
    mixed = mixture(names, stratify=True, batch_size=batch)
    steps = mixed.steps(epoch, batch)
    assert len(steps) == -(-len(names) // batch)
    for rows in steps:
        assert len(rows) == batch
        assert {names[row] for row in rows} == set(mixed.names)
    plain = stratified(np.array(sizes), batch)
    free = [(size, count) for size, count in zip(sizes, plain.tolist(), strict=True) if count > len(steps)]
    for (size, count), (other, its) in itertools.pairwise(free):  # those that were not raised keep their ratio
        assert abs(count * other - its * size) <= 2 * max(size, other)


def test_a_step_without_room_for_every_source_is_refused() -> None:
    with pytest.raises(
        UserError, match="--stratify: expected steps of at least 3 rows, one for each source, got 2\nhint"
    ):
        mixture(["a", "b", "c"], stratify=True, batch_size=2)
    assert counts(mixture(["a"] * 97 + ["b"] * 3, mix=["a=0.99", "b=0.01"], stratify=True, batch_size=10)) == {
        "a": 90, "b": 10
    }  # fmt: skip


@given(sources, st.floats(0.3, 10), st.integers(0, 3))
def test_a_source_goes_through_all_its_rows_before_any_comes_again(
    names: list[str], temperature: float, seed: int
) -> None:
    mixed = mixture(names, mix_temperature=temperature, seed=seed)
    seen: dict[str, list[int]] = {name: [] for name in mixed.names}
    for epoch in range(4):
        for name, rows in zip(mixed.names, mixed.drawn(epoch), strict=True):
            assert len(rows) == counts(mixed)[name]
            seen[name] += rows.tolist()
    for name, members in zip(mixed.names, mixed.members, strict=True):
        size = len(members)
        for start in range(0, len(seen[name]) - size + 1, size):  # whole passes, across the ends of epochs
            assert sorted(seen[name][start : start + size]) == members.tolist()
        rest = seen[name][len(seen[name]) // size * size :]
        assert len(set(rest)) == len(rest)


@given(sources, st.floats(0.3, 10), st.integers(1, 20), st.integers(0, 2))
def test_each_step_has_its_share_of_each_source_to_less_than_a_row(
    names: list[str], temperature: float, batch_size: int, epoch: int
) -> None:
    plan = StepPlan(
        corpus([1] * len(names), names), settings(mix_temperature=temperature, batch_size=batch_size, epochs=3)
    )
    assert plan.mixture is not None
    steps = plan.steps_of(epoch)
    total: Counter[str] = Counter()
    for step in steps:
        found = Counter(names[row] for row in step)
        total += found
        for name, count in counts(plan.mixture).items():
            expected = len(step) * count / plan.rows
            assert abs(found[name] - expected) < 1
            if expected >= 1:
                assert found[name] >= 1
    assert total == counts(plan.mixture)
    assert [len(step) for step in steps[:-1]] == [batch_size] * (len(steps) - 1)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 16))
def test_counts_of_steps_add_up(wanted: list[int], batch_size: int) -> None:
    rows = sum(wanted)
    sizes = [min(batch_size, rows - start) for start in range(0, rows, batch_size)]
    found = step_counts(np.array(wanted), sizes)
    assert found.sum(axis=0).tolist() == wanted
    assert found.sum(axis=1).tolist() == sizes
    exact = np.array(sizes)[:, None] * np.array(wanted)[None] / rows
    assert np.abs(found - exact).max() < 1
    assert (found >= np.floor(exact)).all()


def test_counts_that_do_not_add_up_are_settled_from_the_end() -> None:
    given = np.array([[2, 0], [2, 0], [1, 1]])
    assert settle(given, np.array([4, 2])).tolist() == [[2, 0], [2, 0], [0, 2]]


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20), st.integers(0, 300))
def test_largest_remainders_are_within_a_row_and_leave_nobody_out(shares: list[float], more: int) -> None:
    rows = len(shares) + more
    found = apportion(shares, rows)
    assert (found.sum(), found.min() >= 1) == (rows, True)
    exact = np.array(shares) / sum(shares) * rows
    if exact.min() >= 1:
        assert np.abs(found - exact).max() < 1


@given(sources, st.floats(0.5, 5), st.integers(1, 60))
def test_by_tokens_a_mixture_keeps_its_counts_and_is_interleaved(
    names: list[str], temperature: float, batch_tokens: int
) -> None:
    rows = corpus([1 + i % 7 for i in range(len(names))], names)
    plan = StepPlan(rows, settings(mix_temperature=temperature, batch_tokens=batch_tokens))
    assert plan.mixture is not None
    order = [row for step in plan.steps_of(0) for row in step]
    assert Counter(names[row] for row in order) == counts(plan.mixture)
    for name, count in counts(plan.mixture).items():
        places = [(place + 0.5) / len(order) for place, row in enumerate(order) if names[row] == name]
        wanted = [(number + 0.5) / count for number in range(count)]
        assert np.abs(np.array(places) - wanted).max() <= len(set(names)) / len(order)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"mix": ["summarize=1"]},
            "--mix: no row has the name 'summarize'. Did you mean 'summarise'? Known: chat, summarise",
        ),
        ({"task_weight": ["caht=2"]}, "--task-weight: no row has the name 'caht'. Did you mean 'chat'?"),
        (
            {"mix": ["chat=1"]},
            "--mix: summarise (2 rows) has no share; expected one for each of chat, summarise\nhint: ",
        ),
        ({"mix": ["chat=0", "summarise=0"]}, "--mix: expected a share above 0, got only zeros"),
    ],
)
def test_names_are_those_of_the_rows(flags: dict[str, Any], message: str) -> None:
    rows = corpus([1, 1, 1], ["chat", "summarise", "summarise"])
    with pytest.raises(UserError) as caught:
        StepPlan(rows, settings(**flags))
    assert str(caught.value).startswith(message)
