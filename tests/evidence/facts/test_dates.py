from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.dates import dates_in, same_date, times_in
from sft_cli.evidence.facts.fact import ClockTime, PartialDate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Born October 16, 1898.", PartialDate(1898, 10, 16)),
        ("on 16 October 1898", PartialDate(1898, 10, 16)),
        ("on the 16th of October, 1898", PartialDate(1898, 10, 16)),
        ("1898-10-16", PartialDate(1898, 10, 16)),
        ("10/16/1898", PartialDate(1898, 10, 16)),
        ("5/6/2020", PartialDate(2020)),
        ("Oct. 1898", PartialDate(1898, 10)),
        ("on Oct. 16th", PartialDate(None, 10, 16)),
        ("in May", PartialDate(None, 5)),
        ("in 1898", PartialDate(1898)),
        ("the 2012 election", PartialDate(2012)),
        ("the 1990s", PartialDate(1990, span=10)),
        ("the nineteenth century", PartialDate(1801, span=100)),
        ("in 44 BC", PartialDate(-44)),
        ("1898年10月16日", PartialDate(1898, 10, 16)),
        ("一八九八年十月", PartialDate(1898, 10)),
        ("10月16日", PartialDate(None, 10, 16)),
        ("民國28年", PartialDate(1939)),
        ("公元前221年", PartialDate(-221)),
        ("20世纪80年代", PartialDate(1980, span=10)),
        ("十九世紀", PartialDate(1801, span=100)),
    ],
)
def test_forms_of_dates(text: str, expected: PartialDate) -> None:
    assert [fact.value for fact in dates_in(text)] == [expected]


@pytest.mark.parametrize("text", ["it may 5", "about 2000 people", "there are 1500 soldiers", "三年", "3个月", "1,999"])
def test_what_is_no_date(text: str) -> None:
    assert dates_in(text) == []


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [("at 5:30 p.m.", 17, 30), ("17:45", 17, 45), ("12 am", 0, 0), ("下午三点半", 15, 30), ("上午9点", 9, 0)],
)
def test_times(text: str, hour: int, minute: int) -> None:
    assert [fact.value for fact in times_in(text)] == [ClockTime(hour, minute)]


def test_a_date_supports_its_parts() -> None:
    day = PartialDate(1898, 10, 16)
    assert same_date(PartialDate(1898), day)
    assert same_date(PartialDate(None, 10, 16), day)
    assert same_date(PartialDate(1890, span=10), day)
    assert same_date(PartialDate(1801, span=100), day)
    assert not same_date(day, PartialDate(1898))
    assert not same_date(PartialDate(1899), day)
    assert not same_date(PartialDate(1898), PartialDate(1890, span=10))


@given(st.dates())
def test_iso_dates_and_chinese_dates_agree(day: object) -> None:
    year, month, date = day.year, day.month, day.day  # type: ignore[attr-defined]
    if year >= 1000:
        for text in (f"{year}-{month:02}-{date:02}", f"{year}年{month}月{date}日"):
            expected = PartialDate(year, month, date)
            assert [fact.value for fact in dates_in(text)] == ([expected] if year < 3000 or "年" in text else [])
