"""What every selector promises: deterministic, within the budget, an equal share per task."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.select import SELECTORS, reservoir
from sft_cli.data.select.budget import Budget, share

COUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=1)


def rows_of(counts):
    rows = [
        {"id": f"{task}{number}", "text": f"{task} {number}", "task": task}
        for task in counts
        for number in range(counts[task])
    ]
    return rows


def select(name, rows, budget, seed=0):
    return SELECTORS.load(name)(rows, budget, seed)


def names(selection):
    return {row["id"] for row in selection.rows}


@pytest.mark.parametrize("name", SELECTORS)
@given(counts=COUNTS, amount=st.integers(1, 60))
def test_rows_are_shared_evenly_and_all_of_the_budget_is_used(name, counts, amount):
    selection = select(name, rows_of(counts), Budget(amount))
    kept = {task: count.kept for task, count in selection.tasks.items()}
    assert Counter(row["task"] for row in selection.rows) == Counter({task: n for task, n in kept.items() if n})
    assert sum(kept.values()) == min(amount, sum(counts.values()))
    level = max(kept.values())
    for task, count in counts.items():
        # A task has as much as any other, up to one row, or all that it has.
        assert kept[task] == count or kept[task] >= level - 1
    assert {task: count.seen for task, count in selection.tasks.items()} == counts


@pytest.mark.parametrize("name", SELECTORS)
@given(counts=COUNTS, amount=st.integers(1, 60), seed=st.integers(), shuffler=st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_rows(name, counts, amount, seed, shuffler):
    rows = rows_of(counts)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    first, second = select(name, rows, Budget(amount), seed), select(name, shuffled, Budget(amount), seed)
    assert names(first) == names(second)
    assert first.rows == [row for row in rows if row["id"] in names(first)]
    assert second.rows == [row for row in shuffled if row["id"] in names(first)]


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 50), max_size=20), min_size=1),
    st.integers(0, 400),
)
def test_a_token_budget_is_never_exceeded_and_tasks_stay_level(costs, budget):
    taken = share(costs, budget)
    used = {name: sum(costs[name][:count]) for name, count in taken.items()}
    assert sum(used.values()) <= budget
    for name, count in taken.items():
        if count < len(costs[name]):
            # Stopped only because the next row did not fit, and not behind another task by more than a row.
            assert all(used[other] <= used[name] + max(costs[other], default=0) for other in costs) or (
                sum(used.values()) + costs[name][count] > budget
            )


def test_surplus_goes_to_the_others_and_the_remainder_to_the_first_names():
    assert share({"c": [1] * 50, "a": [1] * 50, "b": [1] * 2}, 13) == {"a": 6, "b": 2, "c": 5}


def test_a_long_row_ends_its_task_instead_of_being_passed_over_for_a_short_one():
    assert share({"a": [3, 9, 1], "b": [2, 2, 2]}, 9) == {"a": 1, "b": 3}


def test_a_small_budget_keeps_few_rows_in_memory(monkeypatch):
    module = reservoir
    kept = []
    trim = module.Reservoir.trim
    monkeypatch.setattr(module.Reservoir, "trim", lambda self: (trim(self), kept.append(len(self.candidates)))[0])
    selection = select("reservoir", ({"text": str(number)} for number in range(20_000)), Budget(10))
    assert len(selection.rows) == 10
    assert max(kept) == 10


def test_trimming_on_the_way_does_not_change_the_choice(monkeypatch):
    rows = rows_of({"a": 300, "b": 100, "c": 4})
    cost = Budget(500, unit="tokens", cost=lambda row: 1 + len(row["id"]))
    expected = [select("reservoir", rows, budget) for budget in (Budget(120), cost)]
    monkeypatch.setattr(reservoir, "SPARE", 1)
    assert [select("reservoir", rows, budget) for budget in (Budget(120), cost)] == expected


def test_a_fraction_is_of_all_rows():
    rows = rows_of({"a": 300, "b": 100})
    assert len(select("reservoir", rows, Budget(fraction=0.25)).rows) == 100
    assert len(select("reservoir", rows[:2], Budget(fraction=0.01)).rows) == 1
    assert select("reservoir", rows, Budget(fraction=1.0)).rows == rows


def test_every_row_has_the_same_chance():
    rows = rows_of({"a": 20})
    drawn = Counter(name for seed in range(400) for name in names(select("reservoir", rows, Budget(5), seed)))
    # 400 draws of 5 in 20: each row 100 times on average, standard deviation 8.7; four of them are 35.
    assert len(drawn) == 20
    assert all(65 < count < 135 for count in drawn.values())


def test_equal_rows_are_told_apart_by_their_text():
    rows = [{"id": str(number), "text": "same"} for number in range(30)]
    shuffled = random.Random(1).sample(rows, 30)
    assert names(select("reservoir", rows, Budget(7))) == names(select("reservoir", shuffled, Budget(7)))


def test_a_row_without_a_cost_cannot_be_chosen():
    budget = Budget(100, unit="tokens", cost=lambda row: None if row["task"] == "b" else 1)
    assert {row["task"] for row in select("reservoir", rows_of({"a": 3, "b": 3}), budget).rows} == {"a"}
