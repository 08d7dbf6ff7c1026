"""The content words of a text: roots of English words, pairs of Chinese characters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sft_cli.evidence.facts.fact import same_length_widths
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.evidence.lists import list_lines, listed_words
from sft_cli.metrics.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS
from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

WORD = re.compile(
    rf"[^\W_{HAN_RANGES}{KANA}{HANGUL}]+(?:[.'’&-][^\W_{HAN_RANGES}{KANA}{HANGUL}]+)*|[{HAN_RANGES}{KANA}{HANGUL}]+"
)
WIDE_CHARACTER = re.compile(f"[{HAN_RANGES}{KANA}{HANGUL}]")
IRREGULAR = {
    form: root
    for line in list_lines("irregular_forms")
    for forms, _, root in [line.partition(":")]
    for form in forms.split()
}
ENDINGS_OF_WORDS = [tuple(pair.split(":")) for pair in listed_words("endings")]


class ContentWord(NamedTuple):
    """A content word: its root, and its place in the text."""

    root: str
    start: int
    end: int


@lru_cache(maxsize=100_000)
def word_root(word: str) -> str:
    """The root of a word in lower case, by its ending: lighter than a stemmer, and without a package."""
    word = folded_letters(word).casefold().replace("’", "'")
    word = word.removesuffix("'s").rstrip("'")
    word = IRREGULAR.get(word, word)
    if not word.isascii() or len(word) < 4 or any(map(str.isdigit, word)):
        return word
    for ending, instead in ENDINGS_OF_WORDS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _synonyms() -> dict[str, str]:
    """For each word of a group the root of its first word; a word in two groups belongs to the first."""
    synonyms: dict[str, str] = {}
    for line in list_lines("synonyms"):
        first, *others = map(word_root, line.split())
        for root in (first, *others):
            synonyms.setdefault(root, synonyms.get(first, first))
    return synonyms


SYNONYMS = _synonyms()


def content_root(word: str) -> str:
    """The root of a word, or of the first word of its group of synonyms."""
    root = word_root(word)
    return SYNONYMS.get(root, root)


def _has_content(word: str) -> bool:
    return word.lower() not in FUNCTION_WORDS and not word.lower().endswith(("n't", "n’t"))


def content_words(text: str) -> list[ContentWord]:
    """The words of a text that have content, with offsets: roots of words, and pairs of Chinese characters.

    Words of a group of synonyms have one root. Function words and pairs of two function characters are left out. A
    single Chinese character between other characters is itself a word.
    """
    words: list[ContentWord] = []
    for match in WORD.finditer(folded_letters(same_length_widths(text))):
        word, start = match[0], match.start()
        if not WIDE_CHARACTER.match(word):
            words += [ContentWord(content_root(word), start, match.end())] if _has_content(word) else []
        elif len(word) == 1:
            words += [] if word in FUNCTION_CHARACTERS else [ContentWord(word, start, start + 1)]
        else:
            for place in range(len(word) - 1):
                pair = word[place : place + 2]
                if not FUNCTION_CHARACTERS.issuperset(pair):
                    words.append(ContentWord(SYNONYMS.get(pair, pair), start + place, start + place + 2))
    return words
