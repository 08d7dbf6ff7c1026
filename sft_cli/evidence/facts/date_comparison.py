"""Whether a date of the evidence supports the date of a claim, leaves it open, or excludes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sft_cli.evidence.facts.fact import PartialDate

Agreement = Literal["same", "open", "other"]
EVER = 10**9  # days: before or after all dates
Days = tuple[int, int]


def compare_dates(claimed: PartialDate, stated: PartialDate) -> Agreement:
    """`same` if all that the claim says follows, `other` if both cannot be true, else `open`.

    A date is the days that it can mean: 1950 leaves 3 May 1950 open, and is one of the years before 1960. The end of a
    range is compared with the end of a range; a single date inside a range is open. A date in figures with two readings
    (4/5/2019) is `other` only if neither of them fits.
    """
    if claimed.is_ambiguous or stated.is_ambiguous:
        answers = [_compare(mine, theirs) for mine in _readings(claimed) for theirs in _readings(stated)]
        return "same" if "same" in answers else "open" if "open" in answers else "other"
    return _compare(claimed, stated)


def _readings(date: PartialDate) -> list[PartialDate]:
    if not date.is_ambiguous:
        return [date]
    return [replace(date, is_ambiguous=False), replace(date, is_ambiguous=False, month=date.day, day=date.month)]


def _compare(claimed: PartialDate, stated: PartialDate) -> Agreement:
    if claimed.year is None or stated.year is None:
        return _compare_parts(claimed, stated)
    if (claimed.weekday or stated.weekday) and claimed.weekday != stated.weekday:
        return "open" if None in (claimed.weekday, stated.weekday) else "other"
    if claimed == stated and "" in (claimed.bound, stated.bound):
        return "same" if claimed.bound == stated.bound else "open"
    mine, theirs = _days(claimed), _days(stated)
    if stated.between and not claimed.between:
        first, last = stated.between
        if _days(first)[0] <= mine[0] and mine[1] <= _days(last)[1] and not _is_inside(theirs, mine):
            return "open"
    if _is_inside(theirs, mine):
        return "same"
    if claimed.bound == "by" or stated.bound == "by":
        return "open" if _is_by(claimed, stated) else "other"
    return "other" if theirs[1] < mine[0] or mine[1] < theirs[0] else "open"


def _compare_parts(claimed: PartialDate, stated: PartialDate) -> Agreement:
    """The years, months, days and weekdays that both say are equal, and the evidence says all that the claim says."""
    pairs = [(getattr(claimed, part), getattr(stated, part)) for part in ("year", "month", "day", "weekday")]
    if any(mine != theirs for mine, theirs in pairs if mine is not None and theirs is not None):
        return "other"
    if any(mine is not None and theirs is None for mine, theirs in pairs):
        return "open"
    return "same" if claimed.bound == stated.bound or not stated.bound else "open"


def _is_inside(inner: Days, outer: Days) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _is_by(claimed: PartialDate, stated: PartialDate) -> bool:
    """Whether a date can be meant by another one with `by`: it is not later."""
    if claimed.bound == stated.bound:
        return False
    limit, date = (claimed, stated) if claimed.bound == "by" else (stated, claimed)
    return _days(date)[0] <= _days(limit)[1]


def _days(date: PartialDate) -> Days:
    """The first and the last day that a date with a year can mean, on a calendar with months of 31 days."""
    year = date.year or 0
    first = _day_number(year, date.month or 1, date.day or 1)
    last = _day_number(year + date.span - 1, date.month or 12, date.day or 31)
    if date.bound == "before":
        return -EVER, first - 1
    return (last + 1, EVER) if date.bound == "after" else (first, last)


def _day_number(year: int, month: int, day: int) -> int:
    return (year * 12 + month - 1) * 31 + day - 1
