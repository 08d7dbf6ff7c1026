"""The independent sources of a row: its passages by where they come from, copies counted once."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.metrics.tokenizers import mixed

COPY_SHARE = 0.9  # of the words of two passages together: with more in common, one is a copy of the other
MOST_COMPARED = 200  # words; the beginning of a longer passage decides whether it is a copy


@dataclass(frozen=True)
class Source:
    """Passages that count as one voice. `names` are those of all its files, if it has been copied."""

    names: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]

    @cached_property
    def evidence(self) -> Evidence:
        """The texts of the passages, prepared for the claims of one answer."""
        return Evidence([passage["text"] for passage in self.passages])


class Voices:
    """The independent sources of passages, and all of their passages together, each prepared once."""

    def __init__(self, passages: Sequence[dict[str, Any]]) -> None:
        unique = {(passage.get("id"), passage["text"]): passage for passage in passages}
        self.sources = independent_sources(list(unique.values()))
        self.passages = tuple(passage for source in self.sources for passage in source.passages)

    @cached_property
    def together(self) -> Evidence | None:
        """The evidence of all passages; None if there is none."""
        return Evidence([passage["text"] for passage in self.passages]) if self.passages else None


def independent_sources(passages: Sequence[dict[str, Any]]) -> list[Source]:
    """Group passages by `source` (or else by the document in `id`); a source with a copy joins the source of it.

    A text that a hundred pages repeat is one source. Two passages are copies if they share 90 % of their words.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, passage in enumerate(passages):
        name = passage.get("source") or str(passage.get("id") or "").rpartition("#")[0] or passage.get("id")
        groups.setdefault(str(name or f"passage {number + 1}"), []).append(passage)
    copies = CopyFinder([passage["text"] for passage in passages])
    merged: list[tuple[list[str], list[dict[str, Any]]]] = []
    for name, members in groups.items():
        texts = [member["text"] for member in members]
        home = min((place for text in texts if (place := copies.find(text)) is not None), default=None)
        for text in texts:
            copies.add(text, len(merged) if home is None else home)
        if home is None:
            merged.append(([name], members))
        else:
            merged[home][0].append(name)
            merged[home][1].extend(members)
    return [Source(tuple(names), tuple(members)) for names, members in merged]


class CopyFinder:
    """Finds copies among texts without comparing each with all others: ten thousand take seconds.

    If two sets share 90 % of their words, they share one of the rarest 10 % (and one more) of each: Bayardo et al.
    2007, "Scaling up all pairs similarity search". Only texts with such a word in common are compared.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.words = {text: frozenset(mixed(text)[:MOST_COMPARED]) for text in texts}
        self.counts = Counter(word for words in self.words.values() for word in words)
        self.having: dict[str, dict[frozenset[str], int]] = defaultdict(
            dict
        )  # by a rare word: texts, and their sources

    def add(self, text: str, source: int) -> None:
        """Note that a source has a text; of equal texts the first source counts."""
        words = self.words[text]
        for word in self._rarest(words):
            self.having[word].setdefault(words, source)

    def find(self, text: str) -> int | None:
        """The first source with a copy of a text; None if no source has one."""
        words = self.words[text]
        near = [each for word in self._rarest(words) for each in self.having.get(word, {}).items()]
        return min((source for other, source in near if _is_copy(words, other)), default=None)

    def _rarest(self, words: frozenset[str]) -> list[str]:
        if not words:
            return [""]  # texts without words are copies of one another
        ordered = sorted(words, key=lambda word: (self.counts[word], word))
        return ordered[: len(words) - math.ceil(COPY_SHARE * len(words) - 1e-9) + 1]


def _is_copy(first: frozenset[str], second: frozenset[str]) -> bool:
    return len(first & second) >= COPY_SHARE * len(first | second)
