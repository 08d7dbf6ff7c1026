"""Units of measure, English and Chinese, as their base unit and a factor."""

from __future__ import annotations

import re
from decimal import Decimal

from sft_cli.evidence.lists import list_lines, listed_words
from sft_cli.run.writing_systems import NO_WORD_GAPS

MEASURE_WORDS = listed_words("measure_words")


def _read_units() -> dict[str, tuple[str, Decimal]]:
    known: dict[str, tuple[str, Decimal]] = {}
    base = ""
    for line in list_lines("units"):
        name, colon, rest = line.partition(": ")
        if colon:
            base, factor = name, Decimal(1)
        else:
            rest = line
        for part in re.split(r"[;\s]+", rest.strip()):
            if re.fullmatch(r"[\d.]+", part):
                factor = Decimal(part)
            elif part:
                known[part] = (base, factor)
    return known


UNITS = _read_units()
MONEY_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "₩": "KRW", "₹": "INR"}
CHINESE_UNITS = sorted(
    {unit for unit in UNITS if NO_WORD_GAPS.match(unit)} | set(MEASURE_WORDS), key=lambda unit: (-len(unit), unit)
)
CHINESE_UNIT = re.compile("|".join(map(re.escape, CHINESE_UNITS)))
PHRASES: dict[str, tuple[str, float | Decimal]] = {
    "square kilometres": ("m2", 1_000_000), "square kilometers": ("m2", 1_000_000), "square miles": ("m2", 2_589_988),
    "square metres": ("m2", 1), "square meters": ("m2", 1), "square feet": ("m2", Decimal("0.09290304")),
    "per cent": ("percent", 1),
    "percentage points": ("percentage point", 1), "percentage point": ("percentage point", 1),
    "years old": ("year", 1), "year old": ("year", 1), "miles per hour": ("km/h", Decimal("1.609344")),
    "kilometres per hour": ("km/h", 1), "kilometers per hour": ("km/h", 1), "km per hour": ("km/h", 1),
    "us dollars": ("USD", 1), "degrees celsius": ("°C", 1), "degrees fahrenheit": ("°F", 1),
}  # fmt: skip
ENGLISH_UNIT = re.compile(
    r"[ \t\u00a0-]{0,2}(?P<phrase>"
    + "|".join(phrase.replace(" ", r"[\s-]") for phrase in sorted(PHRASES, key=len, reverse=True))
    + r")\b|[ \t\u00a0-]?(?P<word>[a-z]+\d?²?(?:/[a-z]+)?|[%‰°$€£¥₩₹]\s?[cf]?\b|[%‰°℃℉€£])",
    re.IGNORECASE,
)


HEMISPHERES = {
    "n": "north", "s": "south", "e": "east", "w": "west", "北": "north", "南": "south", "东": "east", "東": "east",
    "西": "west",
}  # fmt: skip
HEMISPHERE_AFTER = re.compile(r"\s?(?:(?P<letter>(?-i:[NSEW]))|(?P<word>north|south|east|west))\b", re.IGNORECASE)
HEMISPHERE_BEFORE = re.compile(r"(?P<side>北|南)[纬緯]\s?\Z|(?P<wide_side>东|東|西)[经經]\s?\Z")


def with_hemisphere(text: str, start: int, end: int) -> tuple[str, int]:
    """The unit of degrees from `start` to `end`, and its end: 30° N, 北纬30度, or degrees of any kind."""
    if match := HEMISPHERE_AFTER.match(text, end):
        return f"degree {HEMISPHERES[match[0].strip()[0].lower()]}", match.end()
    before = HEMISPHERE_BEFORE.search(text[:start])
    return (f"degree {HEMISPHERES[before['side'] or before['wide_side']]}" if before else "degree"), end


def unit_after(text: str, place: int) -> tuple[str, Decimal, int] | None:
    """The base unit, the factor and the end of a known unit at a place of the text; None if there is none."""
    if match := CHINESE_UNIT.match(text, place + (text[place : place + 1] == " ")):
        base, factor = UNITS.get(match[0], (match[0], Decimal(1)))
        return base, factor, match.end()
    if match := ENGLISH_UNIT.match(text, place):
        if match["phrase"]:
            base, size = PHRASES[re.sub(r"[\s-]", " ", match["phrase"].lower())]
            return base, Decimal(size), match.end()
        word = match["word"].replace(" ", "").lower()
        for spelling in (word, word.rstrip("²0123456789"), word[:1]):
            is_whole = spelling == word or not spelling.isalpha()
            if is_whole and spelling in UNITS:
                return *UNITS[spelling], match.start("word") + len(spelling)
    return None
