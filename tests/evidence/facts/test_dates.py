from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sft_cli.evidence.facts.date_comparison import compare_dates
from sft_cli.evidence.facts.dates import dates_in
from sft_cli.evidence.facts.fact import ClockTime, PartialDate
from sft_cli.evidence.facts.times import same_time, times_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Born October 16, 1898.", PartialDate(1898, 10, 16)),
        ("on 16 October 1898", PartialDate(1898, 10, 16)),
        ("on the 16th of October, 1898", PartialDate(1898, 10, 16)),
        ("1898-10-16", PartialDate(1898, 10, 16)),
        ("10/16/1898", PartialDate(1898, 10, 16)),
        ("5/6/2020", PartialDate(2020, 5, 6, is_ambiguous=True)),
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


@pytest.mark.parametrize(
    "text", ["it may 5", "about 2000 people", "there are 1500 soldiers", "三年", "3个月", "1,999", "每周一次", "1.2.3"]
)
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
    assert compare_dates(PartialDate(1898), day) == "same"
    assert compare_dates(PartialDate(None, 10, 16), day) == "same"
    assert compare_dates(PartialDate(1890, span=10), day) == "same"
    assert compare_dates(PartialDate(1801, span=100), day) == "same"
    assert compare_dates(day, PartialDate(1898)) == "open"
    assert compare_dates(PartialDate(1899), day) == "other"
    assert compare_dates(PartialDate(1898), PartialDate(1890, span=10)) == "open"
    assert compare_dates(PartialDate(1980, span=10), PartialDate(1994)) == "other"


@pytest.mark.parametrize(
    ("claimed", "stated", "answer"),
    [
        ("3 May 1950", "1950", "open"),
        ("3 May 1950", "May 1950", "open"),
        ("3 May 1950", "in May", "open"),
        ("3 May 1950", "in June", "other"),
        ("May 1950", "1951", "other"),
        ("1950年5月3日", "1950年", "open"),
        ("1993", "from 1990 to 1995", "open"),
        ("1999", "from 1990 to 1995", "other"),
        ("1993年", "1990年至1995年", "open"),
        ("from 1992 to 1995", "from 1990 to 1995", "other"),
        ("April 1950", "from March to June 1950", "open"),
        ("after 1930", "1932", "same"),
        ("before 1940", "1932", "same"),
        ("before 1930", "1932", "other"),
        ("after 1932", "in 1932", "open"),
        ("in 1932", "after 1930", "open"),
        ("in 1925", "after 1930", "other"),
        ("before 1930", "after 1930", "other"),
        ("by 1940", "1932", "open"),
        ("by 1930", "1932", "other"),
        ("1940年以前", "1932年", "same"),
        ("1930年之后", "1932年", "same"),
        ("04/05/2019", "4 May 2019", "same"),
        ("04/05/2019", "5 April 2019", "same"),
        ("04/05/2019", "May 2019", "open"),
        ("04/05/2019", "3 May 2019", "other"),
        ("4.5.2019", "5/4/2019", "same"),
        ("the third of May 2019", "3 May 2019", "same"),
        ("周一", "星期一", "same"),
        ("周一", "礼拜二", "other"),
        ("周日", "星期天", "same"),
    ],
)
def test_what_a_date_of_the_evidence_says_of_a_claim(claimed: str, stated: str, answer: str) -> None:
    mine, theirs = (dates_in(text)[0].value for text in (claimed, stated))
    assert isinstance(mine, PartialDate)
    assert isinstance(theirs, PartialDate)
    assert compare_dates(mine, theirs) == answer


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("3:30 pm", "3:30 am", False),
        ("3:30 am", "15:30", False),
        ("9 pm", "21:00", True),
        ("9:00", "21:00", True),
        ("9:00", "9 pm", True),
        ("9:00 am", "21:00", False),
        ("12:30 am", "0:30", True),
        ("12:30 pm", "12:30 am", False),
        ("7 o'clock in the morning", "7 p.m.", False),
        ("7 in the evening", "19:00", True),
        ("上午9点", "晚上9点", False),
        ("下午三点半", "15:30", True),
        ("凌晨3点", "下午3点", False),
        ("中午12点", "12:00", True),
        ("晚上12点", "0:00", True),
        ("下午3:30", "3:30 pm", True),
    ],
)
def test_halves_of_the_day_are_compared_if_both_times_say_them(first: str, second: str, is_same: bool) -> None:
    mine, theirs = (times_in(text)[0].value for text in (first, second))
    assert isinstance(mine, ClockTime)
    assert isinstance(theirs, ClockTime)
    assert same_time(mine, theirs) is same_time(theirs, mine) is is_same


@given(st.dates())
def test_iso_dates_and_chinese_dates_agree(day: object) -> None:
    year, month, date = day.year, day.month, day.day  # type: ignore[attr-defined]
    if year >= 1000:
        for text in (f"{year}-{month:02}-{date:02}", f"{year}年{month}月{date}日"):
            expected = PartialDate(year, month, date)
            assert [fact.value for fact in dates_in(text)] == ([expected] if year < 3000 or "年" in text else [])
