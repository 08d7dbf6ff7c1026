"""Pairs of opposite words, English and Chinese."""

from __future__ import annotations

from sft_cli.evidence.facts.roots import content_root
from sft_cli.evidence.lists import list_lines

PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "non-", "anti-")
LEAST_BASE = 4  # letters after the prefix: `important` is not the contrary of `port`


def _opposites() -> dict[str, frozenset[str]]:
    pairs: dict[str, frozenset[str]] = {}
    for line in list_lines("opposites"):
        first, second = (frozenset(map(content_root, side.split())) for side in line.split("/"))
        for one, other in ((first, second), (second, first)):
            for word in one:
                pairs[word] = (pairs.get(word, frozenset()) | other) - {word}
    return pairs


OPPOSITES = _opposites()


def opposite_in(root: str, roots: frozenset[str]) -> str | None:
    """The opposite of a word among others: by the list, or by a prefix (efficient, inefficient); None without one."""
    if root in roots:
        return None
    listed = sorted(OPPOSITES.get(root, frozenset()) & roots)
    if listed:
        return listed[0]
    for prefix in PREFIXES:
        base = root.removeprefix(prefix)
        if base != root and len(base) >= LEAST_BASE and base in roots:
            return base
        if len(root) >= LEAST_BASE and prefix + root in roots:
            return prefix + root
    return None
