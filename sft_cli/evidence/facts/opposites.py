"""Pairs of opposite words, English and Chinese."""

from __future__ import annotations

from sft_cli.evidence.facts.alignment import ComparedClaim, EvidenceSentence
from sft_cli.evidence.facts.roots import ContentWord, content_root, word_root
from sft_cli.evidence.lists import list_lines, listed_words

PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "non-", "anti-")
LEAST_BASE = 4  # letters after the prefix: `unit` is not the contrary of `it`
NO_OPPOSITES = frozenset(map(word_root, listed_words("no_opposites")))


def _opposites() -> dict[str, frozenset[str]]:
    pairs: dict[str, frozenset[str]] = {}
    for line in list_lines("opposites"):
        first, second = (frozenset(map(content_root, side.split())) for side in line.split("/"))
        for one, other in ((first, second), (second, first)):
            for word in one:
                pairs[word] = (pairs.get(word, frozenset()) | other) - {word}
    return pairs


OPPOSITES = _opposites()


def opposite_of(word: ContentWord, claim: ComparedClaim, sentence: EvidenceSentence) -> ContentWord | None:
    """The opposite of a word of a claim in a sentence: by the list, or by a prefix (safe, unsafe); None without one.

    A word that both have, or an opposite that the claim also has, is no difference.
    """
    roots = {each.root for each in claim.words}
    if word.root in sentence.roots:
        return None
    text = claim.text[word.start : word.end].casefold()
    listed = OPPOSITES.get(word.root, frozenset())
    for other in sentence.words:
        if other.root not in roots and (
            other.root in listed or _differ_by_prefix(text, sentence.text[other.start : other.end].casefold())
        ):
            return other
    return None


def has_opposite(root: str, roots: frozenset[str]) -> bool:
    """Whether the opposite of a root is among others, and the root itself is not."""
    is_there = not OPPOSITES.get(root, frozenset()).isdisjoint(roots)
    return root not in roots and (is_there or any(_differ_by_prefix(root, other) for other in roots))


def _differ_by_prefix(one: str, other: str) -> bool:
    """Whether one word is the other with a prefix that denies; forms of the word may differ (inhabits, uninhabited)."""
    for longer, shorter in ((one, other), (other, one)):
        for prefix in PREFIXES:
            base = longer.removeprefix(prefix)
            is_denied = base != longer and len(base) >= LEAST_BASE and word_root(longer) not in NO_OPPOSITES
            if is_denied and word_root(base) == word_root(shorter):
                return True
    return False
