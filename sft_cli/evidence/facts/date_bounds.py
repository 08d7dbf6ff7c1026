"""The words around a date: before, after, and the other end of a range."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from sft_cli.evidence.facts.fact import Fact, PartialDate

DateBound = Literal["", "before", "after", "by"]
WORDS_BEFORE = re.compile(
    r"(?P<before>\b(?:before|prior\sto|earlier\sthan))|(?P<after>\b(?:after|later\sthan|following))"
    r"|(?P<by>\bby(?:\sthe\send\sof)?)",
    re.IGNORECASE,
)
WORDS_AFTER = re.compile(
    r"(?P<before>\s?(?:以前|之前)|前(?![往夕后後]))|(?P<after>\s?(?:以后|以後|之后|之後)|[后後](?![来來期]))"
)
SIGN_OF_RANGE = re.compile(
    r"\s?(?:–|—|-|~|～|〜|至|到)\s?|\s(?:to|through|until|till)\s|\sand\s|[和与與]", re.IGNORECASE
)
BOTH_ENDS = re.compile(r"\s(?:and)\s|[和与與]", re.IGNORECASE)
BEFORE_BOTH = re.compile(r"(?:\bbetween\s|介于|介於|在)\Z", re.IGNORECASE)


def with_bounds(text: str, dates: list[Fact]) -> list[Fact]:
    """The dates of a text in their order, with their bounds, and with the ranges that they begin or end."""
    found = [_with_bound(text, fact) for fact in dates]
    for place in range(len(found) - 1):
        first, last = found[place], found[place + 1]
        if _is_range(text, first, last):
            ends = _range_ends(first, last)
            if ends is not None:
                found[place] = replace(first, value=replace(ends[0], between=ends))
                found[place + 1] = replace(last, value=replace(ends[1], between=ends))
    return found


def _with_bound(text: str, fact: Fact) -> Fact:
    date = fact.value
    if not isinstance(date, PartialDate):
        return fact
    near = text[max(0, fact.start - 20) : fact.start].rstrip()
    near = re.sub(r"\s(?:early|late|mid)\Z", "", near, flags=re.IGNORECASE)
    match = next((m for m in WORDS_BEFORE.finditer(near) if m.end() == len(near)), None)
    match = match or WORDS_AFTER.match(text, fact.end)
    names: dict[str | None, DateBound] = {"before": "before", "after": "after", "by": "by"}
    return replace(fact, value=replace(date, bound=names[match.lastgroup])) if match else fact


def _is_range(text: str, first: Fact, last: Fact) -> bool:
    between = text[first.end : last.start]
    if not SIGN_OF_RANGE.fullmatch(between):
        return False
    return not BOTH_ENDS.fullmatch(between) or bool(BEFORE_BOTH.search(text[: first.start]))


def _range_ends(first: Fact, last: Fact) -> tuple[PartialDate, PartialDate] | None:
    """The two dates of a range, the first with the year that only the last one has (May to June 1950)."""
    low, high = first.value, last.value
    if not isinstance(low, PartialDate) or not isinstance(high, PartialDate):
        return None
    if low.year is None and low.month is not None and high.month is not None:
        low = replace(low, year=high.year)
    if high.year is None and low.month is not None and high.month is not None:
        high = replace(high, year=low.year)
    return (low, high) if low.year is not None and high.year is not None and low.year <= high.year else None
