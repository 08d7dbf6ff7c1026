"""The words around a number that make it a bound, an approximation, or a rate."""

from __future__ import annotations

import re
from typing import Literal

from sft_cli.evidence.facts.units import HEMISPHERE_BEFORE

Bound = Literal["", "about", "more", "less", "at least", "at most"]
BOUNDS: dict[str, Bound] = {"more": "more", "less": "less", "about": "about", "least": "at least", "most": "at most"}
BOUND_BEFORE = re.compile(
    r"(?P<most>at most|up to|(?:no|not) (?:more|greater|higher) than|(?:a |the )?maximum of|not exceeding"
    r"|不超过|不超過|未超过|至多|最多|不多于|不多於|不高于|不高於)"
    r"|(?P<least>at least|(?:no|not) (?:less|fewer|lower) than|(?:a |the )?minimum of"
    r"|至少|最少|起码|不少于|不少於|不低于|不低於)"
    r"|(?P<more>more than|greater than|higher than|over|above|exceed(?:s|ed|ing)?|upwards of"
    r"|超过|超過|多于|多於|逾|高于|高於)"
    r"|(?P<less>less than|fewer than|lower than|under|below|不到|不足|少于|少於|低于|低於)"
    r"|(?P<about>about|around|approximately|approx\.?|nearly|almost|roughly|some|circa|ca?\.|estimated"
    r"|~|≈|约|約|大约|大約|近|将近|大概)",
    re.IGNORECASE,
)
BOUND_AFTER = re.compile(
    r"\s?(?P<least>\+|or more\b|以上)|\s?(?P<more>[多余餘])|\s?(?P<about>左右|上下|or so\b)"
    r"|\s?(?P<most>or (?:less|fewer)\b|以下|以内|以內)"
)
REACH = 20  # characters before a number in which its bound begins
RATE_TIMES = r"second|minute|hour|day|week|month|quarter|year|decade"
RATE_AFTER = re.compile(
    rf"\s?(?:per|a|an|each|every|/)\s?(?P<time>{RATE_TIMES})\b"
    r"|\s(?P<adverb>hourly|daily|weekly|monthly|quarterly|yearly|annually)\b",
    re.IGNORECASE,
)
RATES = {"dai": "day", "annual": "year"}
RATE_BEFORE = re.compile(r"每一?(?P<time>秒|分钟|小时|天|日|周|星期|月|年)[^，。；,;\d]{0,8}\Z")
CHINESE_TIMES = {
    "秒": "second", "分钟": "minute", "小时": "hour", "天": "day", "日": "day", "周": "week", "星期": "week",
    "月": "month", "年": "year",
}  # fmt: skip


def bound_around(text: str, start: int, number_end: int, end: int) -> Bound:
    """The bound of a number from `start` to `number_end`, and to `end` with its unit; empty if it has none."""
    before = _bound_before(text, start)
    match = before or BOUND_AFTER.match(text, number_end) or BOUND_AFTER.match(text, end)
    return BOUNDS[match.lastgroup] if match and match.lastgroup else ""


def _bound_before(text: str, start: int) -> re.Match[str] | None:
    """The words of a bound that end where a number starts; the last of them, if two overlap."""
    first = max(0, start - REACH)
    last = len(text[:start].rstrip(" \t$€£¥"))
    return next((m for m in reversed([*BOUND_BEFORE.finditer(text, first, last)]) if m.end() == last), None)


def rate_around(text: str, start: int, end: int) -> str:
    """The time of a rate, 20 mg per day and 每天20毫克, in English; empty if it has none."""
    if match := RATE_AFTER.match(text, end):
        if match["time"]:
            return match["time"].lower()
        stem = match["adverb"].lower().removesuffix("ly")
        return RATES.get(stem, stem)
    before = RATE_BEFORE.search(text, max(0, start - REACH), start)
    return CHINESE_TIMES[before["time"]] if before else ""


def span_with_words_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a number with the words of its bound, rate and hemisphere: `at most 20 mg per day`, 北纬30度."""
    first = max(0, start - REACH)
    before = [
        _bound_before(text, start),
        *(each.search(text, first, start) for each in (RATE_BEFORE, HEMISPHERE_BEFORE)),
    ]
    after = [each.match(text, end) for each in (BOUND_AFTER, RATE_AFTER)]
    return min([start, *(match.start() for match in before if match)]), max([end, *(m.end() for m in after if m)])
