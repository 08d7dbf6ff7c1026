"""Times of day, English and Chinese."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.dates import WIDE_NUMBER, matches_of, wide_number
from sft_cli.evidence.facts.fact import ClockTime, Fact, same_length_widths

HALF = r"(?P<half>[ap]\.?\s?m\b\.?|in\sthe\s(?:morning|afternoon|evening)\b|at\snight\b)"
CLOCK_FORMS = (
    rf"(?P<half>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|夜裡|深夜|半夜)(?P<hour>{WIDE_NUMBER})"
    rf"(?:[:：](?P<minute>[0-5]\d)(?!\d)|[点點时時](?:钟|鐘|整)?(?:(?P<wide_minute>{WIDE_NUMBER})分|(?P<thirty>半))?)",
    rf"(?<![\d:])(?P<hour>[01]?\d|2[0-3])[:：](?P<minute>[0-5]\d)(?::[0-5]\d)?(?!\d)(?:\s?{HALF})?",
    rf"(?<![\d.])(?P<hour>1[0-2]|0?[1-9])(?:\.(?P<minute>[0-5]\d))?(?:\so['’]clock)?\s?{HALF}",
)
MORNING = ("a", "凌晨", "清晨", "早", "上午")
AFTERNOON = ("p", "下午", "傍晚", "in the afternoon", "in the evening")
NIGHT = ("晚上", "夜", "深夜", "半夜", "at night")


def times_in(text: str) -> list[Fact]:
    """Every time of day of a text, on the clock of 24 hours."""
    return sorted(matches_of(same_length_widths(text), CLOCK_FORMS, _clock), key=lambda fact: fact.start)


def _clock(_: str, match: re.Match[str]) -> Fact | None:
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    hour, minute = wide_number(parts["hour"]), wide_number(parts.get("minute") or parts.get("wide_minute") or "0")
    if hour is None or minute is None or hour > 24 or minute > 59:
        return None
    half = re.sub(r"\s", " ", parts.get("half", "").lower())
    is_known = bool(half) or not 1 <= hour <= 12
    if hour <= 12:
        hour = _on_24_hours(hour, half)
    return Fact("time", match.start(), match.end(), ClockTime(hour % 24, 30 if "thirty" in parts else minute, is_known))


def _on_24_hours(hour: int, half: str) -> int:
    """The hour from 0 to 23 of an hour up to 12 and the words for its part of the day."""
    if half.startswith(NIGHT):  # 12 at night is 0, 2 at night is 2, 9 at night is 21
        return hour % 12 + (12 if 5 <= hour < 12 else 0)
    if half.startswith(AFTERNOON):
        return hour % 12 + 12
    if half == "中午":
        return hour + 12 if hour < 10 else hour
    if half.startswith(MORNING) or half == "in the morning":
        return hour if half == "上午" else hour % 12
    return hour


def same_time(claimed: ClockTime, stated: ClockTime) -> bool:
    """Whether two times are the same; the half of the day is compared if both say it."""
    are_known = claimed.is_half_known and stated.is_half_known
    hours = 24 if are_known else 12
    return claimed.minute == stated.minute and claimed.hour % hours == stated.hour % hours
