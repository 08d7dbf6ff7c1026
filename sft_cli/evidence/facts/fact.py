"""A fact of a text: its kind, its place, and its normal form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from sft_cli.metrics.plain_text import WIDTHS

FactKind = Literal["number", "date", "time", "name", "quote", "negation", "opposite", "citation", "hedge", "word"]


@dataclass(frozen=True)
class Quantity:
    """A number or a range of numbers, in a unit.

    `low` and `high` are equal unless the text has a range. A known unit is its base unit (km as `m`), and the numbers
    are in it; another unit is the root of the word that is counted (`people`, `人`), or empty.
    """

    low: Decimal
    high: Decimal
    unit: str = ""
    digits: int = 0  # significant digits of the text: 3.5 million has two
    bound: Literal["", "about", "more", "less"] = ""


@dataclass(frozen=True)
class PartialDate:
    """A date of which the year, the month or the day may be unknown (None).

    A decade is its first year with `span` 10, a century with `span` 100. Years before Christ are negative.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    span: int = 1


@dataclass(frozen=True)
class ClockTime:
    """A time of day: the hour from 0 to 23, and the minute."""

    hour: int
    minute: int


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


PLAIN_FORMS = WIDTHS | dict.fromkeys((0xA0, 0x2009, 0x202F), 0x20)  # spaces that do not break a line


def same_length_widths(text: str) -> str:
    """The text with ordinary forms for full-width ones and other spaces, character by character: offsets stay."""
    return text if text.isascii() else text.translate(PLAIN_FORMS)


def blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with a control character in place of every character of the spans: later readers skip it."""
    for start, end in spans:
        text = text[:start] + "\x00" * (end - start) + text[end:]
    return text
