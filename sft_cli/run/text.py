"""Counts and quotes for messages; quoted text is made safe to print."""

from __future__ import annotations

import unicodedata

LONGEST_LINE = 2000  # characters of a line of a message


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,048 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it has no half of a surrogate pair, and no raw bytes of a file name."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shorten(text: str, limit: int) -> str:
    """The text, or its beginning and `…`: at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """The text with escapes such as `\\u001b` for line ends and all that a terminal executes, hides or cannot show."""
    if text.isprintable():
        return text
    return "".join(letter if _is_shown(letter) else letter.encode("unicode_escape").decode() for letter in text)


def for_terminal(text: str) -> str:
    """A text that can quote the input, such as its keys and files: no line is long, and all of it is printable."""
    return "\n".join(shorten(printable(line), LONGEST_LINE) for line in text.split("\n"))


def _is_shown(letter: str) -> bool:
    # Python counts the wide spaces of Chinese and French text as unprintable.
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def one_line(text: str, limit: int = 40) -> str:
    """Text for one cell of a table: no line breaks, nothing unprintable, cut at `limit` characters."""
    return shorten(printable(" ".join(text.split())), limit)
