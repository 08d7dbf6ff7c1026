"""Numbers with their units, in digits and in words, English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from sft_cli.evidence.facts.chinese_numerals import DIGITS, MYRIADS, NUMERAL, PLACES, chinese_number
from sft_cli.evidence.facts.fact import Fact, Quantity, same_length_widths
from sft_cli.evidence.facts.number_words import (
    FRACTION,
    MAGNITUDES,
    NUMBER_IN_WORDS,
    ORDINAL,
    spelled_fraction,
    spelled_number,
    spelled_ordinal,
)
from sft_cli.evidence.facts.precision import precision
from sft_cli.evidence.facts.roots import FUNCTION_WORDS, word_root
from sft_cli.evidence.facts.units import MONEY_SIGNS, unit_after

Bound = Literal["", "about", "more", "less"]
AMOUNT_IN_DIGITS = (
    r"(?P<sign>(?<![\w.)\]])[-−]\s?(?=[$€£¥₩₹]?\d))?(?P<money>(?:US|HK|NT)?[$€£¥₩₹])?\s?"
    r"(?<!\d)(?<!\d[.,])(?<![A-Za-z])(?<![A-Za-z]-)(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:(?P<ordinal>st|nd|rd|th)\b|[ \t-]?(?P<power>hundred|thousand|million|billion|trillion|lakh|crore|bn|mn)\b"
    r"|(?P<letter>(?-i:[kKMB]))(?![\w/]))?(?![A-Za-z]*\d)"
)
NUMBER_FORMS = re.compile(
    rf"(?P<percent>百分之(?P<share>\d+(?:\.\d+)?|[{DIGITS}{PLACES}点點]+))"
    rf"|(?P<part>(?P<below>{NUMERAL})分之(?P<above>{NUMERAL}))"
    rf"|(?P<rank>第(?P<place>\d+|{NUMERAL}))"
    rf"|(?P<numeral>(?<![几幾数數第]){NUMERAL})"
    rf"|{AMOUNT_IN_DIGITS}"
    rf"|\b(?P<fraction>{FRACTION})\b|\b(?P<spelled>{NUMBER_IN_WORDS})\b(?!-century)|\b(?P<nth>{ORDINAL})\b",
    re.IGNORECASE,
)
BOUND_BEFORE = re.compile(
    r"(?P<more>more than|over|at least|above|exceed(?:s|ed|ing)?|upwards of|minimum of"
    r"|超过|超過|至少|多于|多於|逾|不少于|不少於|高于)"
    r"|(?P<less>less than|fewer than|under|below|at most|up to|no more than|不到|不足|少于|少於|至多|低于|以下)"
    r"|(?P<about>about|around|approximately|approx\.?|nearly|almost|roughly|some|circa|ca?\.|estimated"
    r"|~|≈|约|約|大约|大約|近|将近|大概|左右)",
    re.IGNORECASE,
)
BOUND_AFTER = re.compile(
    r"\s?(?P<more>\+|or more|多|余|餘|以上)|\s?(?P<about>左右|上下|or so)|\s?(?P<less>or less|以下)"
)
RANGE = re.compile(r"\s?(?:–|—|-|~|～|〜|至|到)\s?\+?|\s(?:to|through)\s\+?")
NOUN = re.compile(r"[ \t-]([A-Za-z][A-Za-z'’]*)")
PRONOUN_BEFORE = re.compile(r"\b(?:no|this|that|the|any|each|every|some|another|which|only)[\s-]\Z", re.IGNORECASE)
IRREGULAR_PLURALS = frozenset({"people", "men", "women", "children", "feet", "teeth", "mice", "series", "species"})


def quantities_in(text: str) -> list[Fact]:
    """Every number of a text, with its unit; ranges are one fact. Offsets are into the text.

    Numbers inside words (GPT-4, B12) are not read. `one` and `first` are not sure: they may count nothing. The readers
    of citations, dates and times come before this one and blank what they read.
    """
    plain = same_length_widths(text)
    facts = [fact for match in NUMBER_FORMS.finditer(plain) if (fact := _fact(plain, match))]
    return list(_merged_ranges(plain, facts))


def _fact(text: str, match: re.Match[str]) -> Fact | None:
    """The fact of one match of NUMBER_FORMS; None if it is not a number by its neighbours."""
    start, end = match.span()
    start += len(match[0]) - len(match[0].lstrip())
    unit, factor, is_sure = "", Decimal(1), True
    value = _value(match)
    if value is None:
        return None
    if match["percent"]:
        unit = "percent"
    elif match["rank"] or match["nth"] or match["ordinal"]:
        unit, is_sure = "ordinal", not match["nth"] or value > 1
        if match["nth"] and match[0].lower() == "second" and re.match(r"\s?s\b|\sof\b", text[end:]):
            is_sure = False
    elif not match["part"] and not match["fraction"]:
        known = unit_after(text, end + bool(re.match("[多余餘]", text[end : end + 1])))
        if match["money"]:
            unit = MONEY_SIGNS[match["money"][-1]]
        elif known:
            unit, factor, end = known
        else:
            unit = _counted(text, end)
        if match["numeral"] and not _is_numeral(match[0], unit, text[match.end() :]):
            return None
        is_word_one = value == 1 and not match["digits"]
        if is_word_one and (PRONOUN_BEFORE.search(text[:start]) or re.match(r"\s(?:of|another)\b", text[end:])):
            return None
        is_sure = not is_word_one
    digits, step = precision(match["digits"] or match["numeral"] or match["share"] or "", value)
    low = value * factor
    high = low
    if (
        re.fullmatch(f"[{DIGITS}]{{2}}", match["numeral"] or "") and value % 10 == value // 10 + 1
    ):  # 两三个: two or three
        low, high = value // 10 * factor, value % 10 * factor
    quantity = Quantity(low, high, unit, digits, step * abs(factor), bound=_bound(text, start, match.end(), end))
    return Fact("number", start, end, quantity, is_sure)


def _value(match: re.Match[str]) -> Decimal | None:
    if match["percent"]:
        share = match["share"]
        return Decimal(share) if share[0].isascii() else chinese_number(share)
    if match["part"]:
        below, above = chinese_number(match["below"]), chinese_number(match["above"])
        return round(above / below, 6) if below and above is not None else None
    if match["rank"]:
        return (
            Decimal(match["place"])
            if match["place"].isdigit() and match["place"].isascii()
            else chinese_number(match["place"])
        )
    if match["numeral"]:
        return chinese_number(match["numeral"])
    if match["fraction"]:
        return spelled_fraction(match["over"], match["under"])
    if match["spelled"]:
        return spelled_number(match["spelled"])
    if match["nth"]:
        return spelled_ordinal(match["nth"])
    value = Decimal(match["digits"].replace(",", ""))
    power = {"k": 3, "m": 6, "b": 9}[match["letter"].lower()] if match["letter"] else 0
    power = MAGNITUDES[match["power"].lower()] if match["power"] else power
    return value * Decimal(10) ** power * (-1 if match["sign"] else 1)


def _is_numeral(numeral: str, unit: str, after: str) -> bool:
    """Whether Chinese characters are a number, and not part of a word as 一 in 统一 and 四 in 四川."""
    is_sum = len(numeral) > 1 and not re.fullmatch(f"[十百千万萬]+[{MYRIADS}]*|[{DIGITS}]+", numeral)
    if numeral[0].isascii() or is_sum or re.search("[〇零]", numeral[1:]):
        return True
    is_counted = bool(unit) and not after.startswith(
        ("大", "部分", "方面", "分", "点", "點", "代", "世", "国", "國", "路")
    )
    return is_counted and (numeral[0] in DIGITS or len(numeral) > 1 or numeral == "十")


def _counted(text: str, place: int) -> str:
    """The root of the plural noun after a number, among the next three words; empty if there is none."""
    for _ in range(3):
        match = NOUN.match(text, place)
        word = match[1].lower() if match else ""
        if match is None or word in FUNCTION_WORDS:
            return ""
        if word in IRREGULAR_PLURALS or (word.endswith("s") and not word.endswith(("ss", "ous", "us", "is"))):
            return word_root(word)
        place = match.end()
    return ""


def _bound(text: str, start: int, number_end: int, end: int) -> Bound:
    before = list(BOUND_BEFORE.finditer(text[max(0, start - 16) : start].rstrip(" \t$€£¥")))
    near = text[max(0, start - 16) : start].rstrip(" \t$€£¥")
    match = before[-1] if before and before[-1].end() == len(near) else None
    match = match or BOUND_AFTER.match(text, number_end) or BOUND_AFTER.match(text, end)
    names: dict[str, Bound] = {"more": "more", "less": "less", "about": "about"}
    return names[match.lastgroup] if match and match.lastgroup else ""


def _merged_ranges(text: str, facts: list[Fact]) -> Iterator[Fact]:
    """The facts, with two of them and the sign of a range between them as one."""
    left = list(reversed(facts))
    while left:
        first = left.pop()
        second = left[-1] if left else None
        merged = _merged_range(text, first, second) if second else None
        if merged:
            left.pop()
        yield merged or first


def _merged_range(text: str, first: Fact, second: Fact) -> Fact | None:
    low, high = first.value, second.value
    if not isinstance(low, Quantity) or not isinstance(high, Quantity) or "ordinal" in (low.unit, high.unit):
        return None
    between = text[first.end : second.start]
    is_between = re.fullmatch(r"\s(?:and)\s|和|与|與", between) and re.search(
        r"between\s\Z|介于\Z|介於\Z|在\Z", text[max(0, first.start - 8) : first.start], re.IGNORECASE
    )
    if not (RANGE.fullmatch(between) or is_between) or (low.unit and low.unit != high.unit):
        return None
    size = Decimal(1)
    if not low.unit and low.low < high.low:
        known = unit_after(text, _number_end(text, second))
        size = known[1] if known else size
        power = re.search(rf"(thousand|million|billion|trillion|[{MYRIADS}]+)", text[second.start : second.end])
        plain_low = re.fullmatch(r"[\d.,]+", text[first.start : first.end].strip("$€£¥ "))
        if power and plain_low and low.low * size < high.low:
            zeros = MAGNITUDES.get(power[1].lower())
            size *= Decimal(10) ** zeros if zeros else (chinese_number("1" + power[1]) or 1)
    if low.low * size > high.high:
        return None
    both = Quantity(low.low * size, high.high, high.unit, high.digits, high.step, bound=high.bound)
    return Fact("number", first.start, second.end, both, first.is_sure and second.is_sure)


def _number_end(text: str, fact: Fact) -> int:
    match = NUMBER_FORMS.match(text, fact.start)
    return match.end() if match else fact.end
