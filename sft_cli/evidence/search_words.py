"""From text to the words that retrieval compares: stems of English, characters and their pairs of Chinese."""

from __future__ import annotations

from functools import cache
from typing import Any

from sft_cli.metrics.tokenizers import SINGLE, mixed

LONGEST_WORD = 64  # characters that are compared; what is longer is no word of a language
WORDS_VERSION = 1  # a part of each index: an index of other words is built again


def search_words(text: str) -> list[str]:
    """The words of a text, in order, as an index and a query both use them.

    The tokens of `metrics.tokenizers.mixed`, with English endings removed (Snowball's English stemmer, which leaves
    other scripts as they are). Two characters of Chinese, Japanese or Korean side by side also give a word of both, so
    that 北京 is found before 北 and 京 apart. Nothing is removed: a text of stop words alone can be found.
    """
    words: list[str] = _stemmer().stemWords(mixed(text))
    if max(map(len, words), default=0) > LONGEST_WORD:
        words = [word[:LONGEST_WORD] for word in words]
    if text.isascii():
        return words
    paired: list[str] = []
    before = ""  # the character before this one, if it is a word by itself
    for word in words:
        is_single = SINGLE.match(word) is not None
        if is_single and before:
            paired.append(before + word)
        paired.append(word)
        before = word if is_single else ""
    return paired


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
