"""Which sentence of the passages a claim is about: by the weighted share of its content words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from functools import cached_property

from sft_cli.data.chunking.sentences import split_sentences
from sft_cli.evidence.facts.fact import Fact, FactKind, same_length_widths
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.evidence.facts.names import name_form
from sft_cli.evidence.facts.reading import facts_in
from sft_cli.evidence.facts.roots import WIDE_CHARACTER, WORD, ContentWord, content_root, content_words
from sft_cli.evidence.facts.source_marks import plain_text

Unit = tuple[str, int, int]  # a word and its offsets
LEAST_EQUAL = 3  # equal words beside a replaced part at an end of the claim
NEAREST = 3  # sentences that a claim is compared with


@dataclass(frozen=True)
class EvidenceSentence:
    """A sentence of a passage: the passage's number from 0, offsets into it, and the text without marks."""

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
    def form(self) -> str:
        """The text as names are compared."""
        return name_form(self.text)

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
            EvidenceSentence(number, start, end, plain_text(passage[start:end]))
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
        """The passages as names are compared: in usual widths and one case."""
        return [name_form(plain_text(passage)) for passage in self.passages]

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

    Each is a pair of offsets, of the claim and of the sentence. The words on both sides must be equal; at an end of the
    claim, three words on the other side. A single equal word between two others is part of the place.
    """
    mine, theirs = text_units(claim), text_units(sentence)
    matcher = SequenceMatcher(None, [root for root, *_ in mine], [root for root, *_ in theirs], autojunk=False)
    equal = [block for block in matcher.get_matching_blocks() if block.size > 1 or _is_at_end(block, mine, theirs)]
    equal.append(Match(len(mine), len(theirs), 0))
    parts = []
    before = Match(0, 0, 0)
    for after in equal:
        first, last = before.a + before.size, after.a
        their_first, their_last = before.b + before.size, after.b
        is_inside = (before.size or not first) and (after.size or last == len(mine))
        least = 2 if before.size and after.size else LEAST_EQUAL
        if first < last and their_first < their_last and is_inside and before.size + after.size >= least:
            longest = max(last - first, 2)  # at the ends of the claim, the sentence can have more words
            their_last = their_last if after.size else min(their_last, their_first + longest)
            their_first = their_first if before.size else max(their_first, their_last - longest)
            parts.append(((mine[first][1], mine[last - 1][2]), (theirs[their_first][1], theirs[their_last - 1][2])))
        before = after
    return parts


def _is_at_end(block: Match, mine: list[Unit], theirs: list[Unit]) -> bool:
    """Whether an equal part begins or ends both texts."""
    begins = block.a == block.b == 0
    return block.size > 0 and (begins or (block.a + block.size == len(mine) and block.b + block.size == len(theirs)))


def text_units(text: str) -> list[Unit]:
    """Every word by its root, and every Chinese character, with offsets."""
    units: list[Unit] = []
    for match in WORD.finditer(folded_letters(same_length_widths(text))):
        if WIDE_CHARACTER.match(match[0]):
            units += [(sign, place, place + 1) for place, sign in enumerate(match[0], match.start())]
        else:
            units.append((content_root(match[0]), match.start(), match.end()))
    return units
