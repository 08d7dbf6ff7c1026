"""How a text has another text: word by word, in one place, with what differs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import Match as Block
from difflib import SequenceMatcher

from sft_cli.metrics.tokenizers import SINGLE, mixed

LEAST_BLOCK = 2  # words in one run that count as shared
NOT_ALL = "near"
DIFFERENCES = ("same text", "other spaces", "other case", "other marks", NOT_ALL)


@dataclass(frozen=True)
class WeighedText:
    """A text in words. row: the number of its row. weights: how much each word counts, not negative.

    length: the number of words; a Chinese character counts as half a word.
    """

    row: int
    text: str
    words: list[str]
    weights: list[float]

    @property
    def length(self) -> float:
        """The number of words; a Chinese character counts as half a word."""
        return words_counted(self.words)


@dataclass(frozen=True)
class TextMatch:
    """How a text has another. form: one of DIFFERENCES. is_whole: it has nothing else.

    share: of the other text, by the weights of its words. text: the part that is alike. longest: the longest run of
    equal words, where a Chinese character counts as half a word.
    """

    form: str
    is_whole: bool
    share: float
    text: str
    longest: float


def words_counted(words: Iterable[str]) -> float:
    """The number of words; a Chinese character counts as half a word."""
    return sum(0.5 if SINGLE.match(word) else 1.0 for word in words)


def match_text(wanted: WeighedText, text: str, least: float) -> TextMatch | None:
    """How `text` has `wanted`; None if the share is less than `least`."""
    words = mixed(text)
    if words == wanted.words:
        return TextMatch(_form(wanted.text, text), True, 1.0, text, wanted.length)
    start = _start_of(wanted.words, words)
    if start is not None:
        part = _part(text, words, start, start + len(wanted.words))
        return TextMatch(_form(wanted.text, text), False, 1.0, part, wanted.length)
    total = sum(wanted.weights)
    known = set(words)
    most = sum(weight for word, weight in zip(wanted.words, wanted.weights, strict=True) if word in known)
    if not total or most < least * total:
        return None
    blocks = _equal_runs(wanted.words, words)
    share = sum(sum(wanted.weights[block.a : block.a + block.size]) for block in blocks) / total
    if not blocks or share < least:
        return None
    longest = max(words_counted(wanted.words[block.a : block.a + block.size]) for block in blocks)
    part = _part(text, words, blocks[0].b, blocks[-1].b + blocks[-1].size)
    return TextMatch(NOT_ALL, False, share, part, longest)


def _start_of(part: list[str], words: list[str]) -> int | None:
    """Where a run of words starts in others; None if it is not there."""
    first, last = part[0], len(words) - len(part)
    start = 0
    while start <= last:
        try:
            start = words.index(first, start, last + 1)
        except ValueError:
            return None
        if words[start : start + len(part)] == part:
            return start
        start += 1
    return None


def _equal_runs(wanted: list[str], words: list[str]) -> list[Block]:
    """The runs of words that both have in the same order and in one place: at most twice as many words away."""
    least = min(LEAST_BLOCK, len(wanted))
    matcher = SequenceMatcher(None, wanted, words, autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size >= least]
    if not blocks:
        return []
    longest = max(blocks, key=lambda block: block.size)
    return [block for block in blocks if abs(block.b - longest.b) <= 2 * len(wanted)]


def _part(text: str, words: list[str], start: int, stop: int) -> str:
    """The characters of a text from one word to another; the words, if the text does not have them in this form."""
    folded = text.lower()
    position = first = 0
    for number, word in enumerate(words[:stop]):
        place = folded.find(word, position) if len(folded) == len(text) else -1
        if place < 0:
            return " ".join(words[start:stop])
        first = place if number == start else first
        position = place + len(word)
    return text[first:position]


def _form(wanted: str, text: str) -> str:
    """What differs between a text and another that has all its words."""
    wanted = re.sub(r"^[\W_]+|[\W_]+$", "", wanted) or wanted.strip()
    if wanted in text:
        return DIFFERENCES[0]
    folded = [re.sub(r"\s+", "", unicodedata.normalize("NFKC", each)) for each in (wanted, text)]
    if folded[0] in folded[1]:
        return DIFFERENCES[1]
    return DIFFERENCES[2] if folded[0].casefold() in folded[1].casefold() else DIFFERENCES[3]
