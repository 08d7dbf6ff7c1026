"""A fact of a text: its kind, its place, and its normal form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from sft_cli.metrics.plain_text import WIDTHS

FactKind = Literal["number", "date", "time", "name", "quote", "negation", "opposite", "citation", "hedge", "word"]


@dataclass(frozen=True)
class Quantity:
    """A number or a range of numbers, in a unit.

    `low` and `high` are equal unless the text has a range. A known unit is its base unit (km as `m`), and the numbers
    are in it; another unit is the root of the word that is counted (`people`, `人`), or empty. `low` is greater than
    `high` in a score (3:1) and in a change (from 5 to 3). `per` is the time of a rate (20 mg per day).
    """

    low: Decimal
    high: Decimal
    unit: str = ""
    digits: int = 0  # significant digits of the text: 3.5 million has two
    step: Decimal = Decimal(1)  # what one unit of the last digit means: 100,000 in 3.5 million
    bound: Literal["", "about", "more", "less", "at least", "at most"] = ""
    per: str = ""


@dataclass(frozen=True)
class PartialDate:
    """A date of which the year, the month or the day may be unknown (None).

    A decade is its first year with `span` 10, a century with `span` 100. Years before Christ are negative. `bound` is
    the word before the date; `between` has the first and last date of the range of which this one is an end.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    span: int = 1
    is_ambiguous: bool = False  # 4/5/2019: the month and the day can be the other way round
    weekday: int | None = None  # 1 is Monday
    bound: Literal["", "before", "after", "by"] = field(default="", compare=False)
    between: tuple[PartialDate, PartialDate] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ClockTime:
    """A time of day: the hour from 0 to 23, and the minute.

    `is_half_known` is False if the text does not say which half of the day: 9:00, but not 9:00 p.m. or 21:00.
    """

    hour: int
    minute: int
    is_half_known: bool = True


FactValue = Quantity | PartialDate | ClockTime | str


@dataclass(frozen=True)
class Fact:
    """One fact of a text.

    `start` and `end` are offsets into the text. `value` is the normal form: two facts of one kind with equal values
    say the same. `is_sure` is False if only the form suggests the fact: the first word of a sentence as a name.
    """

    kind: FactKind
    start: int
    end: int
    value: FactValue
    is_sure: bool = True


SPACE_FORMS = dict.fromkeys((0xA0, 0x2009, 0x202F), 0x20)  # that do not break a line
HYPHEN_FORMS = dict.fromkeys((0x2010, 0x2011, 0xFE63), 0x2D)
PLAIN_FORMS = WIDTHS | SPACE_FORMS | HYPHEN_FORMS


def same_length_widths(text: str) -> str:
    """The text with ordinary forms for full-width ones, other spaces and other hyphens, one by one: offsets stay."""
    return text if text.isascii() else text.translate(PLAIN_FORMS)


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with a control character in place of every character of the spans: later readers skip it."""
    for start, end in spans:
        text = text[:start] + "\x00" * (end - start) + text[end:]
    return text
