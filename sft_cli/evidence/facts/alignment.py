"""Which sentence of the passages a claim is about: by the weighted share of its content words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property

from sft_cli.evidence.facts.fact import Fact, FactKind, same_length_widths
from sft_cli.evidence.facts.reading import facts_in
from sft_cli.evidence.facts.roots import WIDE_CHARACTER, WORD, ContentWord, content_words, word_root
from sft_cli.evidence.sentences import split_sentences

NEAREST = 3  # sentences that a claim is compared with


@dataclass(frozen=True)
class EvidenceSentence:
    """A sentence of a passage: the passage's number from 0, and offsets into it."""

    passage: int
    start: int
    end: int
    text: str

    @cached_property
    def words(self) -> list[ContentWord]:
        """The content words."""
        return content_words(self.text)

    @cached_property
    def roots(self) -> frozenset[str]:
        """The roots of the content words."""
        return frozenset(word.root for word in self.words)

    @cached_property
    def facts(self) -> list[Fact]:
        """The facts, with offsets into the sentence."""
        return facts_in(self.text)

    @cached_property
    def values(self) -> list[Fact]:
        """The numbers, dates and times."""
        return [fact for fact in self.facts if fact.kind in ("number", "date", "time")]

    def of_kind(self, kind: FactKind) -> list[Fact]:
        """The facts of one kind."""
        return [fact for fact in self.facts if fact.kind == kind]


@dataclass(frozen=True)
class Aligned:
    """A sentence near a claim, and the share of the claim's content that it has, from 0 to 1."""

    sentence: EvidenceSentence
    share: float


class Evidence:
    """Passages, prepared once for all claims that are checked against them.

    The weight of a content word is ln(1 + N / n): N sentences, n of them with the word. A word that no sentence has
    weighs as much as one that a single sentence has.
    """

    def __init__(self, passages: Sequence[str]) -> None:
        self.passages = list(passages)
        self.sentences = [
            EvidenceSentence(number, start, end, passage[start:end])
            for number, passage in enumerate(self.passages)
            for start, end in split_sentences(passage)
        ]
        self._having: dict[str, list[int]] = defaultdict(list)
        for place, sentence in enumerate(self.sentences):
            for root in sentence.roots:
                self._having[root].append(place)

    def has_word(self, root: str) -> bool:
        """Whether a passage has a content word."""
        return root in self._having

    def weight(self, root: str) -> float:
        """The weight of a content word."""
        return math.log(1 + len(self.sentences) / len(self._having.get(root, "1")))

    def share(self, words: Iterable[ContentWord], roots: frozenset[str] | None = None) -> float:
        """The weighted share of the words that are among the roots, or anywhere in the passages; 0 without words."""
        weights = [(self.weight(word.root), word.root) for word in words]
        total = sum(weight for weight, _ in weights)
        there = sum(weight for weight, root in weights if (root in self._having if roots is None else root in roots))
        return there / total if total else 0.0

    def nearest(self, words: Sequence[ContentWord]) -> list[Aligned]:
        """The sentences with the greatest share of the words, best first; on equal shares the shorter ones."""
        shares: dict[int, float] = defaultdict(float)
        counts = Counter(word.root for word in words)
        total = sum(self.weight(root) * count for root, count in counts.items())
        for root, count in counts.items():
            for place in self._having.get(root, ()):
                shares[place] += self.weight(root) * count
        best = sorted(shares, key=lambda place: (-round(shares[place], 9), len(self.sentences[place].roots), place))
        return [Aligned(self.sentences[place], shares[place] / total) for place in best[:NEAREST]]

    @cached_property
    def folded(self) -> list[str]:
        """The passages in usual widths and one case."""
        return [" ".join(same_length_widths(passage).split()).casefold() for passage in self.passages]

    def facts_of(self, kind: FactKind) -> list[tuple[EvidenceSentence, Fact]]:
        """All facts of one kind in the passages."""
        return [(sentence, fact) for sentence in self.sentences for fact in sentence.of_kind(kind)]


@dataclass(frozen=True)
class ComparedClaim:
    """A claim and the passages that it is checked against."""

    text: str
    evidence: Evidence

    @cached_property
    def words(self) -> list[ContentWord]:
        """The content words."""
        return content_words(self.text)

    @cached_property
    def facts(self) -> list[Fact]:
        """The facts of every kind."""
        return facts_in(self.text)

    @cached_property
    def near(self) -> list[Aligned]:
        """The nearest sentences, best first."""
        return self.evidence.nearest(self.words)

    @cached_property
    def replaced(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The parts that the nearest sentence has in other words."""
        return replaced_parts(self.text, self.near[0].sentence.text) if self.near else []

    def shares_without(self, fact: Fact) -> list[float]:
        """For each near sentence: the share that it has of the words outside a fact, and outside numbers and dates."""
        apart = [fact, *(each for each in self.facts if each.kind in ("number", "date", "time"))]
        rest = [word for word in self.words if all(word.end <= each.start or word.start >= each.end for each in apart)]
        return [self.evidence.share(rest, each.sentence.roots) for each in self.near]


def replaced_parts(claim: str, sentence: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The places where a claim has other words than a sentence between words that both have.

    Each is a pair of offsets, of the claim and of the sentence. At least two words must be equal on one side, and on
    the other side one word or an end of the claim.
    """
    mine, theirs = _units(claim), _units(sentence)
    blocks = SequenceMatcher(None, [root for root, *_ in mine], [root for root, *_ in theirs], autojunk=False)
    codes = blocks.get_opcodes()
    found = []
    for place, (tag, first, last, their_first, their_last) in enumerate(codes):
        if tag != "replace":
            continue
        before = _equal_length(codes, place - 1)
        after = _equal_length(codes, place + 1)
        before = before if first else max(before, 1)
        after = after if last < len(mine) else max(after, 1)
        if min(before, after) >= 1 and max(before, after) >= 2:
            found.append(((mine[first][1], mine[last - 1][2]), (theirs[their_first][1], theirs[their_last - 1][2])))
    return found


def _equal_length(codes: Sequence[tuple[str, int, int, int, int]], place: int) -> int:
    if not 0 <= place < len(codes) or codes[place][0] != "equal":
        return 0
    return codes[place][2] - codes[place][1]


def _units(text: str) -> list[tuple[str, int, int]]:
    """Every word by its root, and every Chinese character, with offsets."""
    units = []
    for match in WORD.finditer(same_length_widths(text)):
        if WIDE_CHARACTER.match(match[0]):
            units += [(sign, place, place + 1) for place, sign in enumerate(match[0], match.start())]
        else:
            units.append((word_root(match[0]), match.start(), match.end()))
    return units
