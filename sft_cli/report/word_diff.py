"""The difference between two texts by words; Chinese, Japanese and Korean by characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from sft_cli.run.writing_systems import HAN_RANGES, HANGUL, KANA

SAME, GONE, ADDED = "=", "-", "+"
MOST_DIFF_TOKENS = 2000  # tokens of a text: the time grows with their square
LEAST_COMMON = 0.2  # with a smaller share in common the marks of a diff say less than the two texts
_PIECE = re.compile(rf"[{HAN_RANGES}{KANA}{HANGUL}]|[^\W{HAN_RANGES}{KANA}{HANGUL}]+|\s+|[^\w\s]")

DiffPart = tuple[str, str]  # SAME, GONE or ADDED, and the text


def pieces(text: str) -> list[str]:
    """Words, single CJK characters, white space and single marks: joined, they are the text."""
    return _PIECE.findall(text)


def word_diff(base: str, other: str) -> list[DiffPart]:
    """The parts of both texts in order: what both have, what only the base has, what only the other has.

    Joined without ADDED the parts are the base, without GONE they are the other text. Between a common beginning and
    end of texts with more than MOST_DIFF_TOKENS tokens, everything is shown as changed.
    """
    before, after = pieces(base), pieces(other)
    shortest = min(len(before), len(after))
    start = next((place for place in range(shortest) if before[place] != after[place]), shortest)
    left = shortest - start
    end = next((place for place in range(left) if before[-1 - place] != after[-1 - place]), left)
    mine, theirs = before[start : len(before) - end], after[start : len(after) - end]
    parts = [(SAME, "".join(before[:start]))]
    if max(len(mine), len(theirs)) > MOST_DIFF_TOKENS:
        parts += [(GONE, "".join(mine)), (ADDED, "".join(theirs))]
    else:
        for kind, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
            if kind == "equal":
                parts.append((SAME, "".join(mine[a:b])))
            else:
                parts += [(GONE, "".join(mine[a:b])), (ADDED, "".join(theirs[c:d]))]
    parts.append((SAME, "".join(before[len(before) - end :])))
    return _joined(parts)


def _joined(parts: Sequence[DiffPart]) -> list[DiffPart]:
    """Without empty parts, and neighbours of one kind as one part.

    White space alone between two changes belongs to the changes: `[-a b-]{+c d+}`, not `[-a-]{+c+} [-b-]{+d+}`.
    """
    found: list[DiffPart] = []
    kept = [part for part in parts if part[1]]
    gone, added = "", ""
    for place, (kind, text) in enumerate(kept):
        is_between = kind == SAME and text.isspace() and (gone or added) and place + 1 < len(kept)
        if kind == GONE or is_between:
            gone += text
        if kind == ADDED or is_between:
            added += text
        if kind == SAME and not is_between:
            found += _changed(gone, added)
            gone, added = "", ""
            found = (
                [*found[:-1], (SAME, found[-1][1] + text)] if found and found[-1][0] == SAME else [*found, (kind, text)]
            )
    return found + _changed(gone, added)


def _changed(gone: str, added: str) -> list[DiffPart]:
    """The parts of a change; white space that both sides have at their end is common."""
    tail = ""
    while gone and added and gone[-1] == added[-1] and gone[-1].isspace():
        gone, added, tail = gone[:-1], added[:-1], gone[-1] + tail
    parts = [(GONE, gone), (ADDED, added), (SAME, tail)]
    return [part for part in parts if part[1]]


def common_share(parts: Sequence[DiffPart]) -> float:
    """The share of the words of the longer text that both texts have in one order; marks and spaces do not count."""
    counts = dict.fromkeys((SAME, GONE, ADDED), 0)
    for kind, text in parts:
        counts[kind] += sum(piece[0].isalnum() for piece in pieces(text))
    return counts[SAME] / max(counts[SAME] + max(counts[GONE], counts[ADDED]), 1)


def marked_diff(parts: Sequence[DiffPart]) -> str:
    """The parts as text that needs no colour, with the marks of `git diff --word-diff`: `a [-b-]{+c+} d`."""
    marks = {SAME: "{}", GONE: "[-{}-]", ADDED: "{{+{}+}}"}
    return "".join(marks[kind].format(text) for kind, text in parts)
