"""A split depends on the content of rows alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.data.split import part_of, read_split
from sft_cli.run.errors import UserError

SHARES = {"train": 0.6, "dev": 0.1, "test": 0.3}
ROWS = [{"id": str(number), "text": f"row {number}"} for number in range(3000)]


def test_shares_are_read_in_their_order():
    assert read_split("train=0.6, dev=0.1,test=0.3") == SHARES
    assert read_split("all=1") == {"all": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train", "--split: expected NAME=SHARE with a share between 0 and 1, got 'train'"),
        ("train=80,test=20", "--split: expected NAME=SHARE with a share between 0 and 1, got 'train=80'"),
        ("a=0.5,b=nan", "--split: expected NAME=SHARE with a share between 0 and 1, got 'b=nan'"),
        ("../a=1", "--split: expected NAME=SHARE with a share between 0 and 1, got '../a=1'"),
        ("a=0.5,a=0.5", "--split: a: expected each name once"),
        ("a=0.5,b=0.4", "--split: expected shares that add up to 1, got 0.9"),
        ("", "--split: expected NAME=SHARE with a share between 0 and 1, got ''"),
    ],
)
def test_a_split_that_makes_no_sense_is_an_error(text, message):
    with pytest.raises(UserError) as caught:
        read_split(text)
    assert str(caught.value) == message


@given(st.text(min_size=1), st.integers())
def test_equal_contents_never_lie_in_two_parts(text, seed):
    first = {"id": "1", "text": text, "weight": 1}
    second = {"id": "2", "text": text, "source": "elsewhere:9", "task": "t"}
    assert part_of(first, SHARES, seed) == part_of(second, SHARES, seed)


def test_parts_have_about_their_shares():
    parts = [part_of(row, SHARES, 0) for row in ROWS]
    for name, share in SHARES.items():
        # Four standard deviations of a binomial of 3000 draws are at most 110 rows.
        assert abs(parts.count(name) - share * len(ROWS)) < 110


def test_seeds_give_different_splits():
    assert [part_of(row, SHARES, 0) for row in ROWS] != [part_of(row, SHARES, 1) for row in ROWS]


def test_rounding_of_shares_leaves_no_row_without_a_part():
    shares = read_split("a=0.333,b=0.333,c=0.333")
    assert {part_of(row, shares, 0) for row in ROWS} == {"a", "b", "c"}
