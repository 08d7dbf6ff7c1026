"""Documents into bins: every one once, none cut, the tightest bin first, in n log n steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sft_cli.training.plan.packing import RoomIndex, best_fit, check_conserved, microbatches, pack_file

# A bin, a bin and one, powers of two and one more: where packers went wrong.
capacities = st.one_of(st.integers(1, 600), st.sampled_from([63, 64, 65, 1024, 1025, 2048, 2049, 1 << 21]))
lengths = st.lists(st.one_of(st.integers(1, 300), st.sampled_from([64, 65, 1023, 1024, 1025, 2049])), max_size=60)


def members_of(bins: list[list[int]]) -> list[int]:
    return sorted(member for members in bins for member in members)


@given(lengths, capacities)
@example([65, 65, 64, 1], 65)
@example([2049] * 3, 2048)
@example([2048, 1], 2049)
def test_micro_batches_hold_every_document_once_within_their_tokens(documents: list[int], tokens: int) -> None:
    bins = microbatches(documents, tokens)
    assert members_of(bins) == list(range(len(documents)))
    assert all(members and (len(members) == 1 or sum(documents[i] for i in members) <= tokens) for members in bins)
    assert bins == microbatches(documents, tokens)


@given(lengths, capacities)
def test_there_are_never_more_micro_batches_than_the_rows_as_they_come_need(documents: list[int], tokens: int) -> None:
    count, room = 0, -1
    for length in documents:
        if length > room:
            count, room = count + 1, tokens
        room -= length
    assert len(microbatches(documents, tokens)) <= count


def naive_best_fit(documents: list[int], tokens: int, order: list[int]) -> list[list[int]]:
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # room, and when the bin got it
    for time, position in enumerate(order):
        fitting = [n for n, (room, _) in enumerate(rooms) if documents[position] <= room]
        number = min(fitting, key=lambda n: (rooms[n][0], -rooms[n][1]), default=len(bins))
        if number == len(bins):
            bins.append([])
            rooms.append((tokens, 0))
        bins[number].append(position)
        rooms[number] = (max(0, rooms[number][0] - documents[position]), time)
    return bins


@given(lengths, capacities, st.randoms(use_true_random=False))
def test_best_fit_takes_the_tightest_bin(documents: list[int], tokens: int, draw: object) -> None:
    order = list(range(len(documents)))
    draw.shuffle(order)  # type: ignore[attr-defined]
    assert best_fit(documents, tokens, order) == naive_best_fit(documents, tokens, order)


@given(st.lists(st.integers(0, 1 << 22), max_size=60), st.lists(st.integers(0, 1 << 22), max_size=20))
def test_the_index_finds_the_smallest_room_that_is_enough(numbers: list[int], wanted: list[int]) -> None:
    index, there = RoomIndex(1 << 22), set()
    for number in numbers:
        if number in there:
            there.remove(number)
            index.remove(number)
        else:
            there.add(number)
            index.add(number)
        for least in [*wanted, number, number + 1]:
            assert index.at_least(least) == min((n for n in there if n >= least), default=None)


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [512, 2048, 100_000, 5_000_000])
def test_packing_takes_a_fixed_number_of_steps_for_each_row(capacity: int) -> None:
    counts = {}
    for rows in (1_000, 100_000):
        documents = np.random.default_rng(0).integers(1, 512, rows).tolist()
        index = RoomIndex(capacity)
        best_fit(documents, capacity, range(rows), index)
        counts[rows] = index.steps / rows
    # Finding, taking out and putting back look at no more than 5 words on each of at most 3 levels, at any size.
    assert max(counts.values()) <= 15
    assert counts[100_000] <= 1.1 * counts[1_000]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=80), st.integers(20, 200), st.integers(0, 3))
def test_a_packed_file_holds_every_row_and_differs_by_epoch(documents: list[int], capacity: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(documents)).tolist()
    bins = pack_file(documents, capacity, order, (seed, 0))
    assert members_of(bins) == list(range(len(documents)))
    assert all(len(members) == 1 or sum(documents[i] for i in members) <= capacity for members in bins)


def test_a_packed_file_is_full_and_its_bins_are_mixed() -> None:
    draw = np.random.default_rng(0)
    documents = np.minimum(draw.lognormal(5, 0.7, 20_000).astype(int) + 1, 2048).tolist()
    bins = pack_file(documents, 2048, draw.permutation(20_000).tolist(), (0, 0))
    assert sum(documents) / (2048 * len(bins)) > 0.99
    halves = [
        [documents[i] for members in part for i in members] for part in (bins[: len(bins) // 2], bins[len(bins) // 2 :])
    ]
    assert np.mean(halves[0]) == pytest.approx(np.mean(halves[1]), rel=0.05)


def test_micro_batches_of_a_step_are_even() -> None:
    documents = [500, 500, 500, 500, 100, 100, 100, 100]
    assert [sum(documents[i] for i in members) for members in microbatches(documents, 1500)] == [1200, 1200]


@pytest.mark.parametrize("parts", [[[0, 1]], [[0, 1], [2, 2]], [[0, 1], [1]], [[0, 1, 2, 0]]])
def test_rows_lost_or_read_twice_are_an_error(parts: list[list[int]]) -> None:
    check_conserved([[2], [1, 0]], [0, 1, 2], [5, 6, 7])
    with pytest.raises(RuntimeError, match="packing lost or repeated rows: 3 rows of 18 tokens went in"):
        check_conserved(parts, [0, 1, 2], [5, 6, 7])
