"""Two parts of a sentence in each other's place: Milan beat Rome, Rome beat Milan."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.alignment import ComparedClaim, Unit, text_units
from sft_cli.evidence.facts.comparison import FactFinding
from sft_cli.evidence.facts.fact import Fact
from sft_cli.evidence.facts.negation import clauses_of
from sft_cli.evidence.facts.roots import WIDE_CHARACTER, word_root
from sft_cli.evidence.lists import listed_words
from sft_cli.metrics.function_words import FUNCTION_CHARACTERS, FUNCTION_WORDS

LONGEST_PART, LONGEST = 8, 80  # words or Chinese characters of a part, and of a sentence
SYMMETRIC = frozenset(listed_words("symmetric"))
SYMMETRIC_ROOTS = frozenset(map(word_root, SYMMETRIC))
# Between the parts: they are of one list, and its order has no meaning.
LISTED = re.compile(r"[,，、;；/]|\b(?:and|or|nor)\b|[和与與及或跟]", re.IGNORECASE)
WITHOUT_DIRECTION = FUNCTION_CHARACTERS | set("是即同跟、")


def role_findings(claim: ComparedClaim) -> list[FactFinding]:
    """A `contradicted` name if the nearest sentence is the claim with two parts in the other order, and no other word.

    The words between the parts must have content and a direction: `and`, `is` and `married` have none. A passive has
    other words, and is not compared.
    """
    if not claim.near:
        return []
    mine = text_units(claim.text)
    found = None
    for each in claim.near:
        text = each.sentence.text
        for start, end in {(0, len(text)), *clauses_of(text)}:
            theirs = [unit for unit in text_units(text) if start <= unit[1] < end]
            if [root for root, *_ in theirs] == [root for root, *_ in mine]:
                return []
            parts = _swapped(mine, theirs)
            if parts and found is None and not LISTED.search(claim.text[parts[1] : parts[2]]):
                first, *_, last = parts
                fact = Fact("name", first, last, claim.text[first:last].casefold())
                found = FactFinding(fact, "contradicted", each.sentence, theirs[0][1], theirs[-1][2])
    return [found] if found else []


def _swapped(mine: list[Unit], theirs: list[Unit]) -> tuple[int, int, int, int] | None:
    """The offsets of two parts of the claim that have changed places (start, end, start, end); None without them."""
    one, other = [root for root, *_ in mine], [root for root, *_ in theirs]
    if one == other or len(one) > LONGEST or sorted(one) != sorted(other):
        return None
    start, end = 0, len(one)
    while one[start] == other[start]:
        start += 1
    while one[end - 1] == other[end - 1]:
        end -= 1
    first, second = one[start:end], other[start:end]
    size = len(first)
    for left in range(1, min(LONGEST_PART, size - 1) + 1):
        for right in range(1, min(LONGEST_PART, size - left - 1) + 1):
            middle = first[left : size - right]
            same = middle == second[right : size - left]
            if same and first[:left] == second[size - left :] and first[size - right :] == second[:right]:
                if not _has_direction(one, middle, one[:start]):
                    return None
                return mine[start][1], mine[start + left - 1][2], mine[end - right][1], mine[end - 1][2]
    return None


def _has_direction(every: list[str], middle: list[str], before: list[str]) -> bool:
    """Whether a sentence says another thing if the parts around the middle change places."""
    text = "".join(each for each in every if WIDE_CHARACTER.match(each))
    if SYMMETRIC_ROOTS & set(every) or any(word in text for word in SYMMETRIC if WIDE_CHARACTER.match(word)):
        return False
    if middle == ["to"] and before[-1:] == ["from"]:
        return True
    return not all(each in FUNCTION_WORDS or each in WITHOUT_DIRECTION for each in middle)
