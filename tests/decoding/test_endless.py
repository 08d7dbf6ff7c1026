import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.decoding.endless import diagnosis, loop_start


@pytest.mark.parametrize(
    ("ids", "start"),
    [
        ([1, 2, 3, 7, 7, 7], 3),
        ([1, 2, 3, 7, 7], None),  # twice is no loop
        ([9, 1, 2, 1, 2, 1, 2], 1),
        ([9, 1, 2, 1, 2, 1, 2, 1], 1),  # cut in the middle of the span
        ([7, 7, 7, 1], None),  # it came out of it
        ([], None),
        ([5], None),
    ],
)
def test_a_loop_is_an_end_that_is_one_span_three_times(ids: list[int], start: int | None) -> None:
    assert loop_start(ids) == start


@given(
    begin=st.lists(st.integers(0, 3), max_size=6),
    span=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    times=st.integers(3, 6),
)
def test_what_repeats_from_some_place_on_is_found(begin: list[int], span: list[int], times: int) -> None:
    start = loop_start([*begin, *span * times])
    assert start is not None
    assert start <= len(begin)


def test_diagnosis_of_a_completion() -> None:
    assert diagnosis([1, 2, 3, 1, 2, 3, 1, 2, 3]) == {"seq_rep_4": 1 - 3 / 6, "longest_span": 6, "loop_start": 0}
    assert diagnosis([1, 2]) == {"seq_rep_4": None, "longest_span": 0, "loop_start": None}
