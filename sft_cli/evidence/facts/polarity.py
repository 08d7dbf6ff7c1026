"""Whether a claim says the contrary of its nearest sentence: a negation more or less, or an opposite word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sft_cli.evidence.facts.alignment import ComparedClaim, EvidenceSentence
from sft_cli.evidence.facts.comparison import NEAR, FactFinding
from sft_cli.evidence.facts.fact import Fact
from sft_cli.evidence.facts.negation import clause_around, clauses_of, words_without_negations
from sft_cli.evidence.facts.opposites import opposite_of
from sft_cli.evidence.facts.roots import ContentWord

SAME_CLAUSE = 0.75  # share of the claim's clause that a clause must have to say the same or the contrary
AS_NEAR = 0.95  # share, of that of the nearest sentence, of another sentence that says as much of the claim

CONTRAST = re.compile(r"\s*(?:and|but|而|又)?\s*", re.IGNORECASE)  # what is before the negation of a contrast
Clause = tuple[int, int]  # offsets into a text


def polarity_findings(claim: ComparedClaim) -> list[FactFinding]:
    """A finding for each negation of the claim, for each that it lacks, and for each opposite word.

    A negation is compared by the first content word after it, which it denies. It is `found` if the nearest sentence
    denies the same word, `contradicted` if the sentence has the word in a clause without negation, else `absent`, and
    not sure. A negation of the sentence that the claim lacks is `contradicted` if the claim is about that clause. Two
    negations of one word cancel. Of sentences that are equally near, one that contradicts nothing is compared.
    """
    if not claim.near:
        return [FactFinding(_unsure(fact), "absent") for fact in claim.facts if fact.kind == "negation"]
    words = words_without_negations(claim.text)
    shares = [claim.evidence.share(words, _roots(words_without_negations(each.sentence.text))) for each in claim.near]
    nearest = [each.sentence for each, share in zip(claim.near, shares, strict=True) if share >= AS_NEAR * shares[0]]
    compared = [_Polarity(claim, sentence).findings() for sentence in nearest]
    if any(passage.strip() == claim.text.strip() for passage in claim.evidence.passages):
        return [each for each in compared[0] if each.status != "contradicted"]
    agreeing = [each for each in compared if all(finding.status != "contradicted" for finding in each)]
    return (agreeing or compared)[0]


class _Polarity:
    """The negations and opposite words of a claim and of one sentence, compared."""

    def __init__(self, claim: ComparedClaim, sentence: EvidenceSentence) -> None:
        self.claim, self.sentence = claim, sentence
        self.words = words_without_negations(claim.text)
        self.their_words = words_without_negations(sentence.text)
        self.mine = _single([fact for fact in claim.facts if fact.kind == "negation"], claim.text, self.words)
        self.theirs = _single(sentence.of_kind("negation"), sentence.text, self.their_words)

    def findings(self) -> list[FactFinding]:
        """A finding for each negation and each opposite word."""
        findings = self._opposites()
        denied = list(self.mine)
        for fact in denied:
            same = next((other for other in self.theirs if self._denies_same(fact, other)), None)
            if same:
                self.theirs.remove(same)
                self.mine.remove(fact)
                findings.append(FactFinding(fact, "found", self.sentence, same.start, same.end))
        findings += [self._claimed(fact) for fact in self.mine]
        return findings + [finding for fact in self.theirs if (finding := self._lacking(fact, denied))]

    def _opposites(self) -> list[FactFinding]:
        """A finding for each opposite word; `found` if a negation of one of the two makes them agree."""
        findings = []
        for word in self.claim.words:
            place = opposite_of(word, self.claim, self.sentence)
            if place is None:
                continue
            mine = [fact for fact in self.mine if _head(fact, self.words) == word]
            theirs = [fact for fact in self.theirs if _head(fact, self.their_words) == place]
            if len(mine) + len(theirs) == 1:
                self.mine = [fact for fact in self.mine if fact not in mine]
                self.theirs = [fact for fact in self.theirs if fact not in theirs]
                findings += [FactFinding(fact, "found", self.sentence, place.start, place.end) for fact in mine]
                continue
            fact = Fact("opposite", word.start, word.end, self.claim.text[word.start : word.end].casefold())
            if self.claim.shares_without(fact)[0] >= NEAR:
                findings.append(FactFinding(fact, "contradicted", self.sentence, place.start, place.end))
        return findings

    def _denies_same(self, fact: Fact, other: Fact) -> bool:
        """Whether a negation of the claim and one of the sentence deny one word, in clauses about the same thing."""
        head, their_head = _head(fact, self.words), _head(other, self.their_words)
        if head is None or their_head is None or head.root != their_head.root:
            return False
        near = self._nearest_clauses(_in_clause(self.claim.text, fact.start, self.words))
        return _is_in(other, near) or sum(word.root == head.root for word in self.their_words) == 1

    def _claimed(self, fact: Fact) -> FactFinding:
        """The finding of a negation of the claim for which the sentence has no equal."""
        words = _in_clause(self.claim.text, fact.start, self.words)
        near = self._nearest_clauses(words)
        place = _same_word(_head(fact, self.words), self.their_words)
        is_near = self.claim.evidence.share(words, _roots(self.their_words)) >= SAME_CLAUSE
        if place is None or not is_near or any(_is_in(other, near) for other in self.theirs):
            return FactFinding(_unsure(fact) if self.theirs else fact, "absent")
        return FactFinding(fact, "contradicted", self.sentence, place.start, place.end)

    def _lacking(self, fact: Fact, denied: list[Fact]) -> FactFinding | None:
        """The finding of a negation that only the sentence has; None if the claim is not about its clause."""
        place = _same_word(_head(fact, self.their_words), self.words)
        if place is None:
            return None
        start, end = clause_around(self.claim.text, place.start)
        words = [word for word in self.words if start <= word.start < end]
        near = [(0, len(self.sentence.text))] if self._is_contrast(fact) else self._nearest_clauses(words)
        is_near = self._share(words, near[0]) >= SAME_CLAUSE
        if len(near) > 1 or not _is_in(fact, near) or any(start <= other.start < end for other in denied):
            return None
        lacking = Fact("negation", place.start, place.end, self.claim.text[start:end].strip())
        return FactFinding(lacking, "contradicted" if is_near else "absent", self.sentence, fact.start, fact.end)

    def _is_contrast(self, fact: Fact) -> bool:
        """Whether a negation begins a clause with nothing but words of the claim: Rome, `not Milan`, is the capital."""
        start, _ = clause_around(self.sentence.text, fact.start)
        denied = _in_clause(self.sentence.text, fact.start, self.their_words)
        begins = CONTRAST.fullmatch(self.sentence.text[start : fact.start]) is not None
        return begins and _roots(denied) <= _roots(self.words)

    def _nearest_clauses(self, words: Sequence[ContentWord]) -> list[Clause]:
        """The clauses of the sentence with the greatest share of the words."""
        clauses = clauses_of(self.sentence.text)
        best = max(self._share(words, clause) for clause in clauses)
        return [clause for clause in clauses if self._share(words, clause) == best]

    def _share(self, words: Sequence[ContentWord], clause: Clause) -> float:
        roots = _roots([word for word in self.their_words if clause[0] <= word.start < clause[1]])
        return round(self.claim.evidence.share(words, roots), 9)


def _is_in(fact: Fact, clauses: list[Clause]) -> bool:
    return any(start <= fact.start < end for start, end in clauses)


def _single(facts: list[Fact], text: str, words: Sequence[ContentWord]) -> list[Fact]:
    """The negations without pairs that deny one word of a clause: `not impossible` cancels, so does 并非不."""
    kept: list[Fact] = []
    for fact in facts:
        head, clause = _head(fact, words), clause_around(text, fact.start)
        same = [
            other for other in kept if head and _head(other, words) == head and clause[0] <= other.start < clause[1]
        ]
        kept = [other for other in kept if other not in same[:1]] if same else [*kept, fact]
    return kept


def _in_clause(text: str, place: int, words: Sequence[ContentWord]) -> list[ContentWord]:
    start, end = clause_around(text, place)
    return [word for word in words if start <= word.start < end]


def _roots(words: Sequence[ContentWord]) -> frozenset[str]:
    return frozenset(word.root for word in words)


def _unsure(fact: Fact) -> Fact:
    return Fact(fact.kind, fact.start, fact.end, fact.value, is_sure=False)


def _head(negation: Fact, words: Sequence[ContentWord]) -> ContentWord | None:
    """The word that a negation denies: the first one after it, in Chinese at the end of a clause the pair around it."""
    after = next((word for word in words if word.start >= negation.end), None)
    across = next((word for word in words if word.start < negation.start and word.end > negation.end), None)
    is_next = after is not None and after.start <= negation.end + 1
    return after if is_next or across is None else across


def _same_word(head: ContentWord | None, words: Sequence[ContentWord]) -> ContentWord | None:
    return next((word for word in words if head and word.root == head.root), None)
