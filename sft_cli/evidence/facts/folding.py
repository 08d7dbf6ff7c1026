"""Letters that writers use for one another: with and without accents, traditional and simplified Chinese characters."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache
from typing import Any

OTHER_LETTERS = dict(zip("øłđħıðŧØŁĐĦİÐŦ", "oldhidtOLDHIDT", strict=True))  # they have no decomposition
ACCENTED = {
    code: ord(base)
    for code in (*range(0xC0, 0x590), *range(0x1E00, 0x2000))
    if len(parts := unicodedata.normalize("NFD", chr(code))) > 1 and (base := parts[0]).isalpha()
} | str.maketrans(OTHER_LETTERS)


def folded_letters(text: str) -> str:
    """The text without accents, and in simplified characters if opencc is installed: one by one, so offsets stay."""
    return text if text.isascii() else simplified_characters(text.translate(ACCENTED))


def may_be_other_script(one: str, other: str) -> bool:
    """Whether two Chinese texts that differ may be one text in traditional and in simplified characters.

    With opencc, they are equal in simplified characters. Without it, they may be if both have as many characters, and
    wherever they differ, one has a character of one script alone: GB 2312 has simplified characters, Big5 traditional.
    """
    if _converter() is not None:
        return one != other and simplified_characters(one) == simplified_characters(other)
    if len(one) != len(other) or one == other:
        return False
    differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return all(_script(first) != _script(second) for first, second in differing)


@lru_cache(maxsize=20_000)
def _script(character: str) -> str:
    is_simplified, is_traditional = (_has_character(standard, character) for standard in ("gb2312", "big5"))
    return "both" if is_simplified == is_traditional else "simplified" if is_simplified else "traditional"


def _has_character(standard: str, character: str) -> bool:
    try:
        character.encode(standard)
    except UnicodeEncodeError:
        return False
    return True


def simplified_characters(text: str) -> str:
    """The text in simplified characters, one for each character; the same text if opencc is not installed."""
    converter = _converter()
    if converter is None or max(text) < "\u3400":
        return text
    return "".join(map(_simplified_character, text))


@lru_cache(maxsize=20_000)
def _simplified_character(character: str) -> str:
    converter = _converter()
    if converter is None or character < "\u3400" or _script(character) == "simplified":
        return character
    simple: str = converter.convert(character)
    return simple if len(simple) == 1 else character


@cache
def _converter() -> Any:
    """The converter of the package opencc-python-reimplemented; None if it is not installed."""
    try:
        from opencc import OpenCC
    except ImportError:
        return None
    return OpenCC("t2s")
