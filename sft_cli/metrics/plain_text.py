"""Forms of one character that look the same to a reader, and no others: width, white space, minus signs."""

from __future__ import annotations

import re
import unicodedata

_HALF_AND_FULL = [0x3000, *range(0xFF00, 0xFFF0)]  # the ideographic space, and the block of other such forms
WIDTHS = {
    code: int(parts[1], 16)
    for code in _HALF_AND_FULL
    if (parts := unicodedata.decomposition(chr(code)).split()) and parts[0] in ("<wide>", "<narrow>")
}
# A minus, an en dash or a small hyphen before a number, but not after a letter or digit: `2010–2015` is a range.
MINUS = re.compile("(?<!\\w)[\u2212\u2013\ufe63](?=[$€£¥]?\\.?\\d)")


def fold_width(text: str) -> str:
    """The text with ordinary forms for full-width and half-width ones, in NFC.

    Differs from NFKC, which also changes superscripts, subscripts, circled digits, ligatures and unit signs: 10² would
    become 102.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(WIDTHS))


def fold_minus(text: str) -> str:
    """The text with `-` for any other sign that makes the number after it negative: U+2212, U+2013, U+FE63, U+FF0D."""
    return text if text.isascii() else MINUS.sub("-", fold_width(text))


def collapse_space(text: str) -> str:
    """Usual widths, runs of white space as one space, none at the ends. Case and punctuation stay."""
    return " ".join(fold_width(text).split())
