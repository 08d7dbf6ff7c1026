"""Text without the marks of its source: entities, tags, links, footnote numbers, characters without a width."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

from sft_cli.run.writing_systems import HAN_RANGES

Placed = list[tuple[str, int]]  # characters, each with its offset in the text

LINK_TARGET = r"\((?:[^()\s]|\([^()\s]{0,200}\)){0,1000}(?:\s[^)]{0,300})?\)"
INLINE_TAG = r"(?:a|b|i|u|em|strong|small|span|mark|sub|sup|code|q|cite)"
# A superscript after a unit or a number is a power (m², 10²). After a longer word or a stop, it is a footnote's number.
AFTER_WORD = (
    rf"(?:(?<=[^\W\d_{HAN_RANGES}]{{4}})|(?<=[A-Z][a-z]{{2}})|(?<=[.,;:!?\"”’»。，；：！？」』》])"
    rf"|(?<=[{HAN_RANGES}])(?<![米里尺寸]))"
    r"(?<!metre)(?<!meter)(?<!metres)(?<!meters)(?<!mile)(?<!miles)(?<!inch)(?<!feet)(?<!foot)(?<!yard)(?<!yards)"
)
SOURCE_MARK = re.compile(
    r"(?P<entity>&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});)"
    r"|(?P<hidden>[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff])"
    rf"|(?P<footnote>{AFTER_WORD}(?:[\u00b9\u00b2\u00b3\u2070\u2074-\u2079]+|<sup>\[?(?:\d{{1,3}}|[a-z*])\]?</sup>)(?![^\W{HAN_RANGES}])"
    r"|(?<=\w)[†‡]|(?<=\w)\[(?:(?:note|nb|注|註|注释|註釋)\s?\d{1,3}|citation needed|[a-z])\](?!\w))"
    rf"|(?P<tag></?{INLINE_TAG}(?:\s+[\w-]{{1,30}}=(?:\"[^\"]{{0,1000}}\"|'[^']{{0,1000}}'))*\s?/?>)"
    rf"|(?P<link>!?\[(?P<label>[^\[\]\n]{{1,300}})\](?P<target>{LINK_TARGET}))"
    r"|(?P<composed>[^\W\d_][\u0300-\u036f]+)"
)
NUMBERED_LABEL = re.compile(r"\^?\d{1,4}")


def without_marks(text: str) -> tuple[str, list[int]]:
    """The text as a reader sees it, and for each of its characters the offset in the text that was given.

    `AT&amp;T` is AT&T, `Rome²` and `Rome[note 1]` are Rome, `[Rome](https://…)` is Rome. A link whose text is a number
    stays a citation: `[2](https://…)` is [2].
    """
    if not SOURCE_MARK.search(text):
        return text, list(range(len(text)))
    placed = _placed(text, 0)
    return "".join(character for character, _ in placed), [place for _, place in placed]


def plain_text(text: str) -> str:
    """The text as a reader sees it."""
    return without_marks(text)[0]


def _placed(text: str, offset: int) -> Placed:
    placed: Placed = []
    done = 0
    for match in SOURCE_MARK.finditer(text):
        placed += _as_they_are(text[done : match.start()], offset + done)
        placed += _read(match, offset)
        done = match.end()
    return placed + _as_they_are(text[done:], offset + done)


def _as_they_are(text: str, offset: int) -> Placed:
    return [(character, offset + place) for place, character in enumerate(text)]


def _read(match: re.Match[str], offset: int) -> Placed:
    """What a reader sees of one mark."""
    if match["link"]:
        if NUMBERED_LABEL.fullmatch(match["label"]):
            start = match.start("label") - 1
            return _as_they_are(f"[{match['label']}]", offset + start)
        return _placed(match["label"], offset + match.start("label"))
    shown = ""
    if match["entity"]:
        shown = unescape(match[0])
    elif match["composed"]:
        shown = unicodedata.normalize("NFC", match[0])
    is_last = match.end() == len(match.string)  # the text ends where the mark does
    start = offset + (match.end() - 1 if is_last else match.start())
    return [(character, start) for character in shown]
