"""What every selector promises: deterministic, within the budget, its share of each task, rows as they were."""

import random
import weakref
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sft_cli.replay import SELECTOR_FLAGS, SELECTORS, reservoir
from sft_cli.replay.budget import Budget, fill_shares
from sft_cli.replay.candidates import Measures
from sft_cli.replay.herding import herding_order
from sft_cli.replay.k_means import cluster, coverage_order
from sft_cli.replay.loss import distance_from_median
from sft_cli.run.errors import UserError
from sft_cli.run.seed import stable_hash, uniform

COUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 30), min_size=1)


def rows_of(counts):
    rows = [
        {"id": f"{task}{number}", "text": f"{task} {number}", "task": task}
        for task in counts
        for number in range(counts[task])
    ]
    return rows


def embeddings(rows):
    """Unit vectors that depend on the text alone."""
    found = [np.random.default_rng(stable_hash(row["text"])).normal(size=4) for row in rows]
    return np.array([point / np.linalg.norm(point) for point in found], dtype=np.float32).reshape(-1, 4)


def losses(rows):
    """Numbers that depend on the text alone, with ties."""
    return np.array([round(uniform(row["text"]), 1) for row in rows])


MEASURES = Measures(embeddings, losses, [{"id": "new", "text": "the new task"}], clusters=3)


def select(name, rows, budget, seed=0, measures=MEASURES):
    return SELECTORS.load(name)(rows, budget, seed, measures)


def names(selection):
    return {row["id"] for row in selection.rows}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", SELECTORS)
@given(
    counts=COUNTS,
    size=st.one_of(
        st.builds(Budget, st.integers(1, 60), proportional=st.booleans()),
        st.builds(Budget, fraction=st.floats(0.01, 1), proportional=st.booleans()),
        st.builds(Budget, st.integers(1, 90), unit=st.just("tokens"), cost=st.just(lambda row: 1 + len(row["text"]))),
    ),
)
def test_the_budget_is_kept_and_no_row_is_invented_or_changed(name, counts, size):
    rows = rows_of(counts)
    selection = select(name, rows, size)
    used = sum(size.cost(row) for row in selection.rows)
    assert used <= selection.total
    assert used == sum(count.kept_cost for count in selection.tasks.values())
    assert len(names(selection)) == len(selection.rows)
    assert all(row in rows for row in selection.rows)
    assert rows == rows_of(counts)


@pytest.mark.slow
@pytest.mark.parametrize("name", SELECTORS)
@given(counts=COUNTS, small=st.integers(1, 60), large=st.integers(1, 60), proportional=st.booleans())
def test_a_larger_budget_keeps_what_a_smaller_one_kept(name, counts, small, large, proportional):
    assume(small <= large)
    kept = [select(name, rows_of(counts), Budget(size, proportional=proportional)) for size in (small, large)]
    assert names(kept[0]) <= names(kept[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", SELECTORS)
@given(counts=COUNTS, data=st.data(), amount=st.integers(1, 60))
def test_quotas_are_kept_and_the_other_tasks_share_the_rest(name, counts, data, amount):
    named = data.draw(st.lists(st.sampled_from(sorted(counts)), unique=True, min_size=1))
    quotas = {task: data.draw(st.integers(0, 12), label=task) for task in named}
    due = {task: min(quota, counts[task]) for task, quota in quotas.items()}
    budget = Budget(amount, quotas=quotas)
    if sum(quotas.values()) > amount:
        with pytest.raises(UserError, match="--per-task: expected at most the"):
            select(name, rows_of(counts), budget)
        return
    kept = {task: count.kept for task, count in select(name, rows_of(counts), budget).tasks.items()}
    others = {task: [1] * count for task, count in counts.items() if task not in quotas}
    assert kept == due | fill_shares(others, amount - sum(due.values()))


@pytest.mark.parametrize("name", SELECTORS)
def test_quotas_alone_are_the_budget(name):
    selection = select(name, rows_of({"a": 9, "b": 9}), Budget(7, quotas={"a": 7, "b": 0}, quotas_only=True))
    assert Counter(row["task"] for row in selection.rows) == {"a": 7}


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 400), min_size=1), st.integers(0, 1500))
def test_proportional_shares_are_those_of_sainte_lague(sizes, amount):
    """No task could give a row to another without being, for its size, further behind than the other is."""
    taken = fill_shares({name: [1] * size for name, size in sizes.items()}, amount, sizes)
    assert sum(taken.values()) == min(amount, sum(sizes.values()))
    for giver, size in sizes.items():
        for taker, other in sizes.items():
            if taken[giver] and taken[taker] < other:
                assert (taken[giver] - 0.5) / size <= (taken[taker] + 0.5) / other + 1e-12


def test_proportional_shares_of_a_fraction_are_that_fraction_of_each_task():
    selection = select("reservoir", rows_of({"a": 400, "b": 100, "c": 20}), Budget(fraction=0.1, proportional=True))
    assert {task: count.kept for task, count in selection.tasks.items()} == {"a": 40, "b": 10, "c": 2}


@given(
    counts=st.dictionaries(st.sampled_from("abc"), st.integers(1, 30), min_size=3),
    amount=st.integers(1, 40),
    data=st.data(),
)
def test_reservoirs_that_grow_task_by_task_are_those_of_all_rows(counts, amount, data):
    """A buffer merged with new rows holds what it would had all rows been there: none has to be kept beside it."""
    rows = rows_of(counts)
    parts = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    buffer = []
    for number in range(3):
        more = [row for row, part in zip(rows, parts, strict=True) if part == number]
        buffer = [{**row, "replay": True} for row in select("reservoir", buffer + more, Budget(amount)).rows]
    assert {row["id"] for row in buffer} == names(select("reservoir", rows, Budget(amount)))


@pytest.mark.parametrize("name", SELECTORS)
def test_one_task_is_chosen_from_as_if_the_others_were_not_there(name):
    rows = rows_of({"a": 30, "b": 30})
    both, alone = select(name, rows, Budget(20)), select(name, rows[:30], Budget(10))
    assert [row for row in both.rows if row["task"] == "a"] == alone.rows


def test_every_selector_says_which_flags_it_reads():
    assert list(SELECTOR_FLAGS) == list(SELECTORS)


def test_the_mean_of_a_herd_follows_the_mean_of_all():
    points = embeddings([{"text": str(number)} for number in range(40)]).astype(np.float64)
    taken = []
    for best in herding_order(points.astype(np.float32), 40):
        # The definition, over all rows that are left.
        k = len(taken) + 1
        gaps = [np.linalg.norm(points.mean(0) - (points[taken].sum(0) + point) / k) for point in points]
        left = [number for number in range(40) if number not in taken]
        assert gaps[best] == pytest.approx(min(gaps[number] for number in left), abs=1e-9)
        taken.append(best)
    assert sorted(taken) == list(range(40))


def three_clouds(sizes=(30, 15, 5)):
    """Points around three far corners, and the corner of each."""
    draw = np.random.default_rng(0)
    corners = np.repeat(np.arange(3), sizes)
    points = np.eye(3)[corners] + draw.normal(scale=0.05, size=(sum(sizes), 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), corners


def test_every_beginning_of_a_coverage_order_holds_the_clusters_in_proportion():
    points, corners = three_clouds()
    order = coverage_order(points, 3, seed=0)
    assert sorted(order) == list(range(50))
    for count in range(1, 51):
        held = np.bincount(corners[order[:count]], minlength=3)
        assert np.all(np.abs(held - count * np.array([30, 15, 5]) / 50) <= 1)


def test_a_cluster_is_kept_from_its_centre_outwards():
    points, corners = three_clouds()
    order = coverage_order(points, 3, seed=0)
    for corner in range(3):
        members = [number for number in order if corners[number] == corner]
        centre = points[corners == corner].astype(np.float64).mean(0)
        distances = [np.linalg.norm(points[number] - centre) for number in members]
        assert distances == sorted(distances)


def test_clusters_are_a_fixed_point_and_no_more_than_distinct_points():
    points, corners = three_clouds()
    centres, labels = cluster(points.astype(np.float64), 3, seed=1)
    assert len({(int(a), int(b)) for a, b in zip(corners, labels, strict=True)}) == 3
    for number in range(3):
        np.testing.assert_allclose(centres[number], points[labels == number].mean(0), atol=1e-6)
    same = np.repeat(points[:2].astype(np.float64), 5, axis=0)
    assert len(cluster(same, 20, seed=0)[0]) == 2


def test_losses_are_taken_from_the_top_the_bottom_and_the_middle():
    rows = [{"id": str(number), "text": str(number), "task": "t"} for number in range(9)]
    by_number = Measures(embeddings, lambda rows: np.array([float(row["text"]) for row in rows]))
    kept = {name: names(select(name, rows, Budget(3), measures=by_number)) for name in SELECTORS if "loss" in name}
    assert kept == {"loss-high": {"6", "7", "8"}, "loss-low": {"0", "1", "2"}, "loss-middle": {"3", "4", "5"}}
    assert distance_from_median(np.array([5.0, 1.0, 9.0, 7.0])).tolist() == [0.5, 1.5, 1.5, 0.5]


def test_nearest_rows_have_the_highest_mean_cosine_to_the_new_ones():
    old, new = rows_of({"a": 20}), [{"id": str(n), "text": f"new {n}"} for n in range(5)]
    kept = select("nearest", old, Budget(4), measures=Measures(embeddings, losses, new))
    cosines = (embeddings(old) @ embeddings(new).T).mean(1)
    assert names(kept) == {old[number]["id"] for number in np.argsort(-cosines)[:4]}


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(1, 50), max_size=20), min_size=1),
    st.integers(0, 400),
)
def test_a_token_budget_is_never_exceeded_and_tasks_stay_level(costs, budget):
    taken = fill_shares(costs, budget)
    used = {name: sum(costs[name][:count]) for name, count in taken.items()}
    assert sum(used.values()) <= budget
    for name, count in taken.items():
        if count < len(costs[name]):
            # Stopped only because the next row did not fit, and not behind another task by more than a row.
            assert all(used[other] <= used[name] + max(costs[other], default=0) for other in costs) or (
                sum(used.values()) + costs[name][count] > budget
            )


def test_surplus_goes_to_the_others_and_the_remainder_to_the_first_names():
    assert fill_shares({"c": [1] * 50, "a": [1] * 50, "b": [1] * 2}, 13) == {"a": 6, "b": 2, "c": 5}


def test_a_long_row_ends_its_task_instead_of_being_passed_over_for_a_short_one():
    assert fill_shares({"a": [3, 9, 1], "b": [2, 2, 2]}, 9) == {"a": 1, "b": 3}


def test_a_small_budget_keeps_few_rows_in_memory(monkeypatch):
    module = reservoir
    kept = []
    trim = module.Reservoir.trim
    monkeypatch.setattr(module.Reservoir, "trim", lambda self: (trim(self), kept.append(len(self.draws)))[0])
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


def test_rows_that_draw_the_same_are_told_apart_by_their_text_and_place():
    rows = [{"id": f"r-{n % 4}", "text": "same", "n": n // 4} for n in range(12)]  # equal contents draw the same
    chosen = select("reservoir", rows, Budget(fraction=0.5)).rows
    assert {(row["id"], row["n"]) for row in chosen} == {(f"r-{name}", n) for name in (0, 1) for n in range(3)}


class Row(dict):
    """A row that can be watched."""

    __hash__ = object.__hash__


def test_a_fraction_holds_no_row_in_memory(monkeypatch):
    living, most, draw_of = weakref.WeakSet(), [], reservoir.draw_of

    def stream():
        for number in range(2000):
            row = Row(id=f"r-{number}", text=f"text {number}")
            living.add(row)
            yield row

    monkeypatch.setattr(reservoir, "draw_of", lambda row, seed: (most.append(len(living)), draw_of(row, seed))[1])
    selection = select("reservoir", stream(), Budget(fraction=1.0))
    assert (len(selection.rows), max(most) <= 3) == (2000, True)
    assert [row["id"] for row in selection.rows[-2:]] == ["r-1998", "r-1999"]
