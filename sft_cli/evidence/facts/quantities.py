"""Numbers with their units, in digits and in words, English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from sft_cli.evidence.facts.bounds import bound_around, rate_around
from sft_cli.evidence.facts.chinese_numerals import DIGITS, MYRIADS, NUMERAL, PLACES, chinese_number
from sft_cli.evidence.facts.fact import Fact, Quantity, blanked, same_length_widths
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
from sft_cli.evidence.facts.roots import word_root
from sft_cli.evidence.facts.rough_numbers import rough_numbers_in
from sft_cli.evidence.facts.units import MONEY_SIGNS, unit_after, with_hemisphere
from sft_cli.metrics.function_words import FUNCTION_WORDS

FIGURES = (
    r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|[1-9]\d{0,2}(?:[ '’]\d{3})+(?![\d,]|[ '’]\d)(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d,])|\d{1,3}(?:\.\d{3}){2,}(?![\d.])|\d+,\d{1,2}(?![\d.]|,\s?\d)|\d+(?:\.\d+)?|\.\d+"
)  # 1,234.5; 1 234.5; 1.234,5; 1.234.567; 1,5; .5
AMOUNT_IN_DIGITS = (
    r"(?P<sign>(?<![A-Za-z0-9_.)\]])[-−]\s?(?=[$€£¥₩₹]?\.?\d)|\bminus\s)?(?P<money>(?:US|HK|NT)?[$€£¥₩₹])?\s?"
    rf"(?<!\d)(?<!\d[.,])(?<![A-Za-z])(?<![A-Za-z]-)(?P<digits>{FIGURES})(?!\.\d)"
    r"(?:(?P<ordinal>st|nd|rd|th)\b|[ \t-]?(?P<power>hundred|thousand|million|billion|trillion|lakh|crore|bn|mn)\b"
    r"|(?P<letter>(?-i:[kKMB]))(?![\w/])|(?:e|\s?[×x*]\s?10\^)(?P<exponent>[+-]?\d{1,3}))?(?![A-Za-z]*\d)"
)
NUMBER_FORMS = re.compile(
    rf"(?P<percent>百分之(?P<share>\d+(?:\.\d+)?|[{DIGITS}{PLACES}点點]+))"
    rf"|(?P<pair>\s?(?<![\d:：.])(?P<one>\d{{1,3}}|[{DIGITS}十]{{1,3}})(?:[:：]|\s?比\s?)"
    rf"(?P<two>\d{{1,3}}|[{DIGITS}十]{{1,3}})(?![\d:：.]\d|\d))"
    rf"|(?P<slash>\s?(?<![\d/])\d{{1,2}}/\d{{1,3}})(?=\sof\b)|(?P<part>(?P<below>{NUMERAL})分之(?P<above>{NUMERAL}))"
    rf"|(?P<rank>第(?P<place>\d+|{NUMERAL}))"
    rf"|(?P<numeral>(?<![几幾数數第]){NUMERAL})"
    rf"|{AMOUNT_IN_DIGITS}"
    rf"|\b(?P<fraction>{FRACTION})\b|\b(?P<nth>{ORDINAL})\b|\b(?P<spelled>{NUMBER_IN_WORDS})\b(?!-century)",
    re.IGNORECASE,
)
RANGE = re.compile(
    r"\s?(?:–|—|-|~|～|〜|至|到)\s?\+?|\s(?:to|through)\s\+?|变为|變為|变成|(?:增|升|降|涨|跌|增加|减少|下降|上升|增长)[到至]"
)
BELOW_ZERO = re.compile(r"零下\s?\Z")
BELOW_ZERO_AFTER = re.compile(r"\sbelow\s(?:zero|freezing)\b", re.IGNORECASE)
NOUN = re.compile(r"[ \t-]([A-Za-z][A-Za-z'’]*)")
SMALL_MONEY = re.compile(r"(?:cents?|pence|角|毛)\Z", re.IGNORECASE)
SUM = re.compile(r"\s?(?:and\s)?", re.IGNORECASE)
PRONOUN_BEFORE = re.compile(r"\b(?:no|this|that|the|any|each|every|some|another|which|only)[\s-]\Z", re.IGNORECASE)
IRREGULAR_PLURALS = frozenset({"people", "men", "women", "children", "feet", "teeth", "mice", "series", "species"})


def quantities_in(text: str) -> list[Fact]:
    """Every number of a text, with its unit; ranges are one fact. Offsets are into the text.

    Numbers inside words (GPT-4, B12) are not read. `one` and `first` are not sure: they may count nothing. The readers
    of citations, dates and times come before this one and blank what they read.
    """
    plain = same_length_widths(text)
    rough = list(rough_numbers_in(plain))
    left = blanked(plain, ((fact.start, fact.end) for fact in rough))
    facts = [fact for match in NUMBER_FORMS.finditer(left) if (fact := _fact(left, match))]
    return sorted([*_merged_ranges(left, facts), *rough], key=lambda fact: fact.start)


def _fact(text: str, match: re.Match[str]) -> Fact | None:
    """The fact of one match of NUMBER_FORMS; None if it is not a number by its neighbours."""
    start, end = match.span()
    start += len(match[0]) - len(match[0].lstrip())
    unit, factor, is_sure = "", Decimal(1), True
    if match["pair"]:
        return _pair(match)
    value = _value(match)
    if value is None:
        return None
    if match["percent"]:
        unit = "percent"
    elif match["rank"] or match["nth"] or match["ordinal"]:
        unit, is_sure = "ordinal", not match["nth"] or value > 1
        if match["nth"] and match[0].lower() == "second" and re.match(r"\s?s\b|\sof\b", text[end:]):
            is_sure = False
    elif match["part"] or match["fraction"] or match["slash"]:
        unit, factor = "percent", Decimal(100)
    else:
        known = unit_after(text, end + bool(re.match("[多余餘]", text[end : end + 1])))
        if match["money"]:
            unit = MONEY_SIGNS[match["money"][-1]]
        elif known:
            unit, factor, end = known
            if unit == "degree":
                unit, end = with_hemisphere(text, start, end)
        else:
            unit = _counted(text, end)
        if match["numeral"] and not _is_numeral(match[0], unit, text[match.end() :]):
            return None
        is_word_one = value == 1 and not match["digits"]
        if is_word_one and (PRONOUN_BEFORE.search(text[:start]) or re.match(r"\s(?:of|another)\b", text[end:])):
            return None
        is_sure = not is_word_one
    digits, step = precision(plain_figures(match["digits"] or "") or match["numeral"] or match["share"] or "", value)
    if BELOW_ZERO.search(text[:start]) or BELOW_ZERO_AFTER.match(text, end):
        value = -abs(value)
    low = value * factor
    high = low
    if (
        re.fullmatch(f"[{DIGITS}]{{2}}", match["numeral"] or "") and value % 10 == value // 10 + 1
    ):  # 两三个: two or three
        low, high = value // 10 * factor, value % 10 * factor
    per = rate_around(text, start, end)
    quantity = Quantity(
        low, high, unit, digits, step * abs(factor), bound=bound_around(text, start, match.end(), end), per=per
    )
    return Fact("number", start, end, quantity, is_sure)


def _pair(match: re.Match[str]) -> Fact | None:
    """The two numbers of a score or a ratio, 3:1 and 三比一, in their order."""
    first, second = (Decimal(part) if part.isascii() else chinese_number(part) for part in match.group("one", "two"))
    if first is None or second is None:
        return None
    return Fact("number", match.start("one"), match.end(), Quantity(first, second, "", 2))


def plain_figures(written: str) -> str:
    """The figures of a number without marks of thousands, and with a point before decimals."""
    written = re.sub(r"[ '’]", "", written)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d+,\d{1,2}", written):
        return written.replace(".", "").replace(",", ".")
    return written.replace(".", "") if written.count(".") > 1 else written.replace(",", "")


def _value(match: re.Match[str]) -> Decimal | None:
    if match["percent"]:
        share = match["share"]
        return Decimal(share) if share[0].isascii() else chinese_number(share)
    if match["slash"]:
        over, under = map(Decimal, match["slash"].split("/"))
        return round(over / under, 6) if under else None
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
    value = Decimal(plain_figures(match["digits"]))
    if match["exponent"]:
        return value * Decimal(10) ** int(match["exponent"]) * (-1 if match["sign"] else 1)
    power = {"k": 3, "m": 6, "b": 9}[match["letter"].lower()] if match["letter"] else 0
    power = MAGNITUDES[match["power"].lower()] if match["power"] else power
    return value * Decimal(10) ** power * (-1 if match["sign"] else 1)


def _is_numeral(numeral: str, unit: str, after: str) -> bool:
    """Whether Chinese characters are a number, and not part of a word as 一 in 统一 and 四 in 四川."""
    is_sum = len(numeral) > 1 and not re.fullmatch(f"[十百千万萬]+[{MYRIADS}]*|[{DIGITS}]+", numeral)
    if numeral[0].isascii() or is_sum or re.search("[〇零]", numeral[1:]):
        return True
    is_counted = bool(unit) and not after.startswith(
        ("大", "部分", "方面", "分", "角", "毛", "点", "點", "代", "世", "国", "國", "路")
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
    if low.unit == high.unit and SMALL_MONEY.search(text[second.start : second.end]) and SUM.fullmatch(between):
        total = low.low + high.low  # three dollars and fifty cents, 三元五角
        return Fact("number", first.start, second.end, Quantity(total, total, low.unit, low.digits + 2, high.step))
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
    is_falling = low.low * size > high.high
    if is_falling and not (low.unit == high.unit or _is_plain(text[first.start : first.end])):
        return None
    both = Quantity(
        low.low * size, high.high, high.unit, high.digits, high.step, bound=low.bound or high.bound, per=high.per
    )
    return Fact("number", first.start, second.end, both, first.is_sure and second.is_sure)


def _is_plain(figures: str) -> bool:
    return figures.strip("$€£¥ ").isdigit()


def _number_end(text: str, fact: Fact) -> int:
    match = NUMBER_FORMS.match(text, fact.start)
    return match.end() if match else fact.end
