"""Pairs of opposite words, English and Chinese."""

from __future__ import annotations

from sft_cli.evidence.facts.roots import word_root
from sft_cli.evidence.lists import list_lines


def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in list_lines("opposites"):
        first, second = (frozenset(map(word_root, side.split())) for side in line.split("/"))
        for one, other in ((first, second), (second, first)):
            for word in one:
                found[word] = (found.get(word, frozenset()) | other) - {word}
    return found


OPPOSITES = _opposites()
