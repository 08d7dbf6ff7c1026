"""Dates, English and Chinese, whole or in part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from sft_cli.evidence.facts.chinese_numerals import DIGITS, chinese_number
from sft_cli.evidence.facts.date_bounds import with_bounds
from sft_cli.evidence.facts.fact import Fact, PartialDate, blanked, same_length_widths
from sft_cli.evidence.facts.number_words import ORDINAL, spelled_ordinal
from sft_cli.evidence.lists import listed_words

MONTH_NAMES = listed_words("months")
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}
MONTHS |= {name[:3]: number for name, number in MONTHS.items()} | {"sept": 9}
MONTH = rf"(?P<month>{'|'.join(MONTH_NAMES)}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?!\d|:\d|,\d{3})"
YEAR = r"(?P<year>[12]\d{3})(?![\d%]|,\d|\.\d)"
ERA = r"(?:\s?(?P<era>BCE?|B\.C\.(?:E\.)?|AD|A\.D\.|CE)\b)?"
WIDE_NUMBER = rf"(?:\d{{1,4}}|[{DIGITS}十廿卅百]{{1,4}})"
FIRST_YEAR_OF_THE_REPUBLIC = 1911  # 民国1年 is 1912

DATE_FORMS = (
    rf"\b(?P<nth_day>{ORDINAL})\s(?:day\s)?of\s{MONTH}(?:,?\s{YEAR})?(?![a-z])",
    rf"\b{DAY}\s(?:of\s)?{MONTH},?\s{YEAR}{ERA}",
    rf"\b{MONTH}\s{DAY},?\s{YEAR}{ERA}",
    rf"\b{MONTH},?\s(?:of\s)?{YEAR}{ERA}",
    rf"\b{DAY}\s(?:of\s)?{MONTH}(?![a-z])",
    rf"\b{MONTH}\s{DAY}\b",
    rf"(?<![\d-]){YEAR}[-/.](?P<month>1[0-2]|0?[1-9])[-/.](?P<day>[12]\d|3[01]|0?[1-9])(?!\d)",
    r"(?<![\d/.-])(?P<first>\d{1,2})(?P<mark>[/.-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?!\d|[/.-]\d)",
    rf"(?P<bc>公元前|西元前|前)?(?P<roc>民國|民国)?(?P<wide_year>{WIDE_NUMBER}|元)年(?![代级級龄齡纪紀])"
    rf"(?:间|間|底|初|末)?(?:(?P<wide_month>{WIDE_NUMBER})月(?:份)?(?:(?P<wide_day>{WIDE_NUMBER})[日号號])?)?",
    rf"(?<![个個\d])(?P<wide_month>{WIDE_NUMBER})月(?:份)?(?:(?P<wide_day>{WIDE_NUMBER})[日号號])?",
    rf"(?:(?P<wide_century>{WIDE_NUMBER})(?:世纪|世紀))?(?P<wide_decade>{WIDE_NUMBER})年代",
    rf"(?P<bc>公元前|西元前|前)?(?P<wide_century>{WIDE_NUMBER})(?:世纪|世紀)",
    rf"\b(?P<century>\d{{1,2}}(?:st|nd|rd|th)|{ORDINAL})[\s-](?:century|centuries)\b{ERA}",
    r"\b(?P<decade>1\d|20)(?P<ten>\d)0['’]?s\b",
    r"(?<![\d.,])(?P<year>\d{1,4})\s?(?P<era>BCE?|B\.C\.(?:E\.)?|AD\b|CE\b)",
    r"\b(?:AD|A\.D\.)\s(?P<year>\d{1,4})\b",
    rf"(?<![\w.$€£¥#])(?<!\d,)(?P<bare>{YEAR})(?:[-–/](?P<short_year>\d{{2}})(?!\d))?(?![\w])",
    r"(?:星期|礼拜|禮拜|(?<![每一两兩几幾数數上下本这這])[周週]|(?<=[上下本这這])[周週])(?P<weekday>[一二三四五六日天])"
    r"(?![次个個回遍种種期篇本名家年])",
    rf"\b(?:in|since|until|by|of|last|next|this|early|late|mid|during|and|to|from|through)[\s-]{MONTH}(?![a-z])",
)  # the first form that matches a place is taken
NO_YEAR_BEFORE = re.compile(
    r"(?:\b(?:over|about|nearly|than|almost|some|least|only|page|pages|no\.?|number)\s)\Z", re.IGNORECASE
)
YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|since|from|until|till|by|before|after|during|between|to|and|through|year|the|circa|ca?\.|of|early|late|"
    r"mid|summer|winter|spring|autumn|fall)[\s-]|[(–/—-]\s?)\Z",
    re.IGNORECASE,
)


def dates_in(text: str) -> list[Fact]:
    """Every date of a text: years, months and days as numbers, None where the text does not say."""
    plain = same_length_widths(text)
    return with_bounds(plain, sorted(matches_of(plain, DATE_FORMS, _date), key=lambda fact: fact.start))


Reader = Callable[[str, re.Match[str]], Fact | None]


def _last_year(match: re.Match[str]) -> Fact | None:
    """The second year of `2010–14`; the first one is read as any other."""
    short = match.groupdict().get("short_year")
    year = int(match["year"]) // 100 * 100 + int(short) if short else 0
    return Fact("date", match.start("short_year"), match.end(), PartialDate(year)) if short else None


def matches_of(text: str, forms: tuple[str, ...], read: Reader) -> Iterator[Fact]:
    """The facts that a reader makes of the matches of patterns; the first pattern that matches a place is taken."""
    for form in forms:
        taken = []
        for match in re.finditer(form, text, re.IGNORECASE):
            fact = read(text, match)
            if fact is not None:
                taken.append((fact.start, fact.end))
                last = _last_year(match)
                yield fact if last is None else replace(fact, end=match.end("year"))
                if last:
                    yield last
        text = blanked(text, taken)


def _date(text: str, match: re.Match[str]) -> Fact | None:
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    date = _wide_date(parts) if any(name.startswith("wide") for name in parts) else _narrow_date(parts)
    if date is None or ("bare" in parts and not _is_year(text, match)):
        return None
    start, end = match.span()
    if parts.get("month", "").lower() in ("may", "march", "mar") and not match["month"][0].isupper():
        return None
    if "month" in parts and len(parts) == 1:
        start = match.start("month")
    return Fact("date", start, end, date)


def _narrow_date(parts: dict[str, str]) -> PartialDate | None:
    sign = -1 if parts.get("era", "").upper().startswith("B") else 1
    if "century" in parts:
        word = parts["century"]
        century = int(re.sub(r"\D", "", word)) if word[0].isdigit() else int(spelled_ordinal(word))
        return PartialDate(sign * (100 * century - 99), span=100)
    if "decade" in parts:
        return PartialDate(int(parts["decade"] + parts["ten"] + "0"), span=10)
    year = sign * int(parts["year"]) if "year" in parts else None
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        pairs = sorted(
            {(m, d) for m, d in ((first, second), (second, first)) if 1 <= m <= 12 and 1 <= d <= 31},
            key=lambda pair: pair[0] != first,
        )
        return PartialDate(year, *pairs[0], is_ambiguous=len(pairs) > 1) if pairs else None
    if "weekday" in parts:
        return PartialDate(weekday="一二三四五六日".index(parts["weekday"].replace("天", "日")) + 1)
    name = parts.get("month", "").lower().rstrip(".")
    month = MONTHS.get(name) or (int(name) if name.isdigit() else None)
    day = int(spelled_ordinal(parts["nth_day"])) if "nth_day" in parts else int(parts.get("day", 0))
    return PartialDate(year, month, day or None) if day <= 31 else None


def _wide_date(parts: dict[str, str]) -> PartialDate | None:
    """The date of a Chinese form; None for a number of years (三年) and for a number out of its range."""
    values = {name: wide_number(parts[name]) for name in parts if name.startswith("wide")}
    if None in values.values():
        return None
    sign = -1 if "bc" in parts else 1
    century, decade, year = values.get("wide_century"), values.get("wide_decade"), values.get("wide_year")
    if decade is not None:
        start = 100 * century - 100 if century else 0
        return PartialDate(start + decade, span=10) if start or decade >= 1000 else None
    if century is not None:
        return PartialDate(sign * (100 * century - 99), span=100)
    if year is not None:
        year += FIRST_YEAR_OF_THE_REPUBLIC if "roc" in parts else 0
        is_era_year = year < 1000 and "bc" not in parts and "wide_month" in values
        if year < 1000 and "bc" not in parts and not is_era_year:
            return None
        year = None if is_era_year else sign * year  # 康熙三年五月: the year of an era that we do not know
    month, day = values.get("wide_month"), values.get("wide_day")
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    return PartialDate(year, month, day)


def wide_number(text: str) -> int | None:
    """The value of a number in figures or Chinese characters; None if it is not well formed."""
    if text == "元":
        return 1
    value = int(text) if text.isascii() else chinese_number(text)
    return None if value is None else int(value)


def _is_year(text: str, match: re.Match[str]) -> bool:
    """Whether four digits are a year: by the words around them."""
    before, after = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 24]
    if NO_YEAR_BEFORE.search(before) or re.match(r"\s?(?:[年%°]|[a-z]+/)", after):
        return False
    if YEAR_BEFORE.search(before) or not after.strip() or not re.match(r"[\s-]?[A-Za-z]|\s?[\u4e00-\u9fff]", after):
        return True
    if re.match(r"\s?[\u4e00-\u9fff]", after):
        return False
    counted = re.match(r"[\s-](?:[a-z]+\s)?([a-z]+)", after)
    return counted is None or not counted[1].endswith("s") or counted[1] in ("was", "is", "as", "has")
