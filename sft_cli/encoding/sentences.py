"""Where sentences and paragraphs end in token ids, so that long text is cut there."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

# Tokens before a place that are decoded to see how the text ends there, and after it, how it goes on.
BEFORE, AFTER = 8, 4
CLOSING = "\"'”’»)\\]」』）】》"
WIDE_STOPS, STOPS = "。！？｡", ".!?…؟।"
PARAGRAPH = re.compile(r"\n[ \t\u3000]*\n[ \t\u3000]*$")
WIDE = re.compile(rf"[{WIDE_STOPS}][{CLOSING}]*[ \t\u3000]*$")
NARROW = re.compile(rf"[{STOPS}][{CLOSING}]*(\s*)$")
STILL_THE_SAME = re.compile(rf"[{WIDE_STOPS}{STOPS}{CLOSING}]")
# A token whose text holds none of these, nor a part of a character, ends no sentence.
SIGNS = re.compile(rf"[{WIDE_STOPS}{STOPS}{CLOSING}\n\ufffd]|^\s+$")


class SentenceEnds:
    """Finds the best place to cut token ids; every tokenizer that can decode will do."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.signs: dict[int, str] = {}

    def last(self, ids: np.ndarray, start: int, end: int) -> int | None:
        """The place in (start + 1, end] to cut before: the last end of a paragraph, else of a sentence, else None.

        The end of a paragraph in the first quarter is not preferred: what stands before it would be a heading.
        """
        sentence = None
        for place in range(end, start + 1, -1):
            if sentence is not None and place < start + (end - start) // 4:
                break
            sign = self._sign(int(ids[place - 1]))
            # After a sentence only a paragraph is looked for.
            if not sign or (sentence is not None and sign != "\n"):
                continue
            text = self._decode(ids[max(start, place - BEFORE) : place])
            both = self._decode(ids[max(start, place - BEFORE) : place + AFTER])
            if not both.startswith(text):  # half a character
                continue
            rest = both[len(text) :]
            if PARAGRAPH.search(text) and not rest.startswith("\n"):
                return place
            if sentence is None and _ends_sentence(text, rest):
                sentence = place
        return sentence

    def _sign(self, token: int) -> str:
        """The sign in a token that may end a sentence, a line end before others; empty if there is none."""
        if token not in self.signs:
            text = self._decode([token])
            found = SIGNS.search(text)
            self.signs[token] = "\n" if "\n" in text else found[0] if found else ""
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
    # After a space, and not before a small letter: `1.5` and `e.g. this` are no ends.
    return narrow is not None and bool(narrow[1] or rest[:1].isspace()) and not rest.lstrip()[:1].islower()
