"""Numbers without figures: hundreds of, 十几, 数千, half, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from sft_cli.evidence.facts.bounds import bound_around
from sft_cli.evidence.facts.fact import Fact, Quantity
from sft_cli.evidence.facts.units import unit_after

MANY = {"dozens": (24, 199), "hundreds": (200, 999), "thousands": (2000, 999_999), "millions": (2_000_000, 999_999_999)}
TENS_OF = {"tens": (20, 99), "hundreds": (200, 999)}
ROUGH_POWERS = {"十": 1, "百": 2, "千": 3, "万": 4, "萬": 4, "亿": 8, "億": 8}
ROUGH_FORMS = re.compile(
    r"\b(?P<ten>tens|hundreds)\sof\s(?P<large>thousands|millions)\b|\b(?P<many>dozens|hundreds|thousands|millions)\sof\b"
    r"|(?P<teen>十[几幾])|(?P<several>(?<![\d一二三四五六七八九])[几幾数數](?P<power>[十百千万萬亿億]+))"
    r"|(?<!first\s)(?<!other\s)(?<!second\s)(?<!latter\s)(?<!ern\s)(?<!the\s)(?<!last\s)(?<!this\s)(?<!that\s)(?<!each\s)"
    r"\b(?P<half>half(?=\s(?:of|the|its|their|all|his|her|our)\b))|(?P<wide_half>半数|半數|(?<!过)(?<!另)一半)"
    r"|\b(?P<times>twice|thrice|(?<!at\s)once(?=\s*(?:[.;!?)]|\Z|(?:a|per|every)\s|daily|weekly|monthly|yearly)))\b",
    re.IGNORECASE,
)
TIMES_WORDS = {"once": 1, "twice": 2, "thrice": 3}


def rough_numbers_in(text: str) -> Iterator[Fact]:
    """The ranges that words without figures mean: hundreds of people are 200 to 999, half of them 50 percent."""
    for match in ROUGH_FORMS.finditer(text):
        start, end = match.span()
        if match["half"] or match["wide_half"]:
            half = Quantity(Decimal(50), Decimal(50), "percent", 1, bound=bound_around(text, start, end, end))
            yield Fact("number", start, end, half)
        elif match["times"]:
            number = Decimal(TIMES_WORDS[match["times"].lower()])
            yield Fact("number", start, end, Quantity(number, number, "times", 1), is_sure=number > 1)
        else:
            known = unit_after(text, end + bool(re.match("[多余餘]", text[end : end + 1])))
            unit, factor, end = known or ("", Decimal(1), end)
            low, high = (bound * factor for bound in _rough_range(match))
            yield Fact("number", start, end, Quantity(low, high, unit, 1, bound="about"))


def _rough_range(match: re.Match[str]) -> tuple[Decimal, Decimal]:
    if match["teen"]:
        return Decimal(11), Decimal(19)
    if match["several"]:
        size = Decimal(10) ** sum(ROUGH_POWERS[sign] for sign in match["power"])
        return 2 * size, 10 * size - 1
    if match["many"]:
        low, high = MANY[match["many"].lower()]
        return Decimal(low), Decimal(high)
    low, high = TENS_OF[match["ten"].lower()]
    size = Decimal(1000 if match["large"].lower() == "thousands" else 10**6)
    return low * size, (high + 1) * size - 1
