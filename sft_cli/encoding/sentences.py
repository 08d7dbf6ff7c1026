"""The ends of sentences and paragraphs in token ids, where long text is cut."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

# Tokens before a place, decoded to see how the text ends; and after it, to see how the text continues.
BEFORE, AFTER = 8, 4
CLOSING = "\"'”’»)\\]」』）】》"
WIDE_STOPS, STOPS = "。！？｡", ".!?…؟।"
PARAGRAPH = re.compile(r"\n[ \t\u3000]*\n[ \t\u3000]*$")
WIDE = re.compile(rf"[{WIDE_STOPS}][{CLOSING}]*[ \t\u3000]*$")
NARROW = re.compile(rf"[{STOPS}][{CLOSING}]*(\s*)$")
STILL_THE_SAME = re.compile(rf"[{WIDE_STOPS}{STOPS}{CLOSING}]")
# A token whose text has none of these, and no part of a character, does not end a sentence.
SIGNS = re.compile(rf"[{WIDE_STOPS}{STOPS}{CLOSING}\n\ufffd]|^\s+$")


class SentenceEnds:
    """Finds the best place to cut token ids, with any tokenizer that can decode."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.signs: dict[int, str] = {}

    def last(self, ids: np.ndarray, start: int, end: int) -> int | None:
        """The place in (start + 1, end] to cut before: the last end of a paragraph, or of a sentence, or None.

        The end of a paragraph in the first quarter is not preferred: the text before it is probably a heading.
        """
        sentence = None
        for place in range(end, start + 1, -1):
            if sentence is not None and place < start + (end - start) // 4:
                break
            sign = self._sign(int(ids[place - 1]))
            # After the end of a sentence, only the end of a paragraph is searched.
            if not sign or (sentence is not None and sign != "\n"):
                continue
            text = self._decode(ids[max(start, place - BEFORE) : place])
            both = self._decode(ids[max(start, place - BEFORE) : place + AFTER])
            if not both.startswith(text):  # a part of a character
                continue
            rest = both[len(text) :]
            if PARAGRAPH.search(text) and not rest.startswith("\n"):
                return place
            if sentence is None and _ends_sentence(text, rest):
                sentence = place
        return sentence

    def _sign(self, token: int) -> str:
        """The character in a token that may end a sentence, a line end before others; or empty."""
        if token not in self.signs:
            text = self._decode([token])
            match = SIGNS.search(text)
            self.signs[token] = "\n" if "\n" in text else match[0] if match else ""
        return self.signs[token]

    def _decode(self, ids: Any) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _ends_sentence(text: str, rest: str) -> bool:
    """Whether a sentence, or a line, ends between two pieces of text."""
    if text.endswith("\n"):
        return not rest.startswith("\n")
    if STILL_THE_SAME.match(rest):
        return False
    if WIDE.search(text):
        return True
    narrow = NARROW.search(text)
    # Before a space, and not before a small letter: `1.5` and `e.g. this` are not ends.
    return narrow is not None and bool(narrow[1] or rest[:1].isspace()) and not rest.lstrip()[:1].islower()
