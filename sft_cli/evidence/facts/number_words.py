"""Numbers in English words: twenty-five, two and a half million, third."""

from __future__ import annotations

import re
from decimal import Decimal

from sft_cli.evidence.lists import listed_words

ONES = {word: value for value, word in enumerate(listed_words("number_words"))}
TENS = {word: 10 * value for value, word in enumerate(listed_words("tens"), 2)}
MAGNITUDES = {
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "lakh": 5, "crore": 7, "mn": 6, "bn": 9,
}  # fmt: skip
ORDINALS = {word: value for value, word in enumerate(listed_words("ordinals"), 1)}
ORDINALS |= {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "hundredth": 100}
DENOMINATORS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_ONE = "|".join(sorted(ONES, key=len, reverse=True))
_TEN = "|".join(TENS)
_SMALL = rf"(?:(?:{_TEN})(?:[-\s](?:{_ONE}))?|(?:{_ONE}))"
_HUNDREDS = rf"(?:(?:{_SMALL}|a)[-\s]hundred(?:[-\s](?:and[-\s])?{_SMALL})?|{_SMALL})"
_LARGE = r"(?:thousand|million|billion|trillion|lakh|crore)"
NUMBER_IN_WORDS = (
    rf"(?:half\sa\s{_LARGE}|(?:{_HUNDREDS}|a)(?:\sand\sa\shalf)?[-\s]{_LARGE}(?:\s(?:and\s)?{_HUNDREDS}(?:[-\s]"
    rf"{_LARGE})?)*|(?:{_SMALL}\s|a\s)?dozen|{_HUNDREDS})(?:\sand\sa\shalf)?"
)
FRACTION = rf"(?:(?P<over>a|{_ONE})[-\s](?P<under>half(?=\sof\b)|third|quarter|fourth|fifth|sixth|eighth|tenth)s?)"
ORDINAL = rf"(?:(?:{_TEN})[-\s])?(?:{'|'.join(sorted(ORDINALS, key=len, reverse=True))})"


def spelled_number(text: str) -> Decimal:
    """The value of a text that matches NUMBER_IN_WORDS, in any case."""
    words = [word for word in re.split(r"[-,\s]+", text.lower()) if word not in ("and", "")]
    if words[-2:] == ["a", "half"]:
        return spelled_number(" ".join(words[:-2])) + Decimal("0.5")
    total, group = Decimal(0), Decimal(0)
    for place, word in enumerate(words):
        if word in ONES:
            group += ONES[word]
        elif word in TENS:
            group += TENS[word]
        elif word == "half":
            group += Decimal("0.5")
        elif word == "dozen":
            group = 12 * max(group, Decimal(1))
        elif word == "hundred":
            group = 100 * max(group, Decimal(1))
        elif word in MAGNITUDES:
            total += (group or 1) * Decimal(10) ** MAGNITUDES[word]
            group = Decimal(0)
        elif word == "a" and words[place + 1 : place + 2] not in (["half"], ["hundred"]) and group == 0:
            group = Decimal(1) if words[place + 1 : place + 2] != ["dozen"] else Decimal(0)
    return total + group


def spelled_fraction(over: str, under: str) -> Decimal:
    """The value of `two thirds`, to six places."""
    top = Decimal(1) if over.lower() == "a" else spelled_number(over)
    return round(top / DENOMINATORS[under.lower()], 6)


def spelled_ordinal(text: str) -> Decimal:
    """The value of `twenty-third`."""
    first, _, last = text.lower().replace(" ", "-").rpartition("-")
    return Decimal(TENS.get(first, 0) + ORDINALS[last])
