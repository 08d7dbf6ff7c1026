"""Whether a claim says the contrary of its nearest sentence: a negation more or less, or an opposite word."""

from __future__ import annotations

from sft_cli.evidence.facts.alignment import ComparedClaim, EvidenceSentence
from sft_cli.evidence.facts.comparison import NEAR, FactFinding
from sft_cli.evidence.facts.fact import Fact
from sft_cli.evidence.facts.negation import clauses_of
from sft_cli.evidence.facts.opposites import OPPOSITES
from sft_cli.evidence.facts.roots import ContentWord


def polarity_findings(claim: ComparedClaim) -> list[FactFinding]:
    """A finding for each negation of the claim, for each that it lacks, and for each opposite word.

    Each clause of the claim is compared with the clause of the nearest sentence that has most of its content. A
    negation is compared by the first content word after it, which it denies. It is `absent`, and not sure, if the
    evidence does not have this word.
    """
    mine = [fact for fact in claim.facts if fact.kind == "negation"]
    if not claim.near:
        return [FactFinding(_unsure(fact), "absent") for fact in mine]
    sentence = claim.near[0].sentence
    findings: list[FactFinding] = []
    for start, end in clauses_of(claim.text):
        denied = [fact for fact in mine if start <= fact.start < end]
        words = [word for word in claim.words if start <= word.start < end]
        findings += _compared(claim, denied, words, sentence)
    return findings + _opposites_of(claim, sentence)


def _compared(
    claim: ComparedClaim, denied: list[Fact], words: list[ContentWord], sentence: EvidenceSentence
) -> list[FactFinding]:
    """The findings of one clause of the claim: its negations, and its words."""
    start, end = _nearest_clause(claim, words, sentence)
    their_words = [word for word in sentence.words if start <= word.start < end]
    theirs = [fact for fact in sentence.of_kind("negation") if start <= fact.start < end]
    if len(denied) == len(theirs):
        return [
            FactFinding(fact, "found", sentence, other.start, other.end)
            for fact, other in zip(denied, theirs, strict=True)
        ]
    is_near = claim.evidence.share(words, frozenset(word.root for word in their_words)) >= NEAR
    findings = []
    for fact in denied:
        place = _same_word(_head(fact, claim.words), their_words)
        if place and is_near and not theirs:
            findings.append(FactFinding(fact, "contradicted", sentence, place.start, place.end))
        else:
            findings.append(FactFinding(_unsure(fact), "absent"))
    for fact in theirs:
        place = _same_word(_head(fact, sentence.words), words)
        if place and is_near and not denied:
            lacking = Fact("negation", place.start, place.end, claim.text[place.start : place.end])
            findings.append(FactFinding(lacking, "contradicted", sentence, fact.start, fact.end))
    return findings


def _nearest_clause(claim: ComparedClaim, words: list[ContentWord], sentence: EvidenceSentence) -> tuple[int, int]:
    def share(clause: tuple[int, int]) -> tuple[float, int]:
        roots = frozenset(word.root for word in sentence.words if clause[0] <= word.start < clause[1])
        return round(claim.evidence.share(words, roots), 9), clause[0] - clause[1]

    return max(clauses_of(sentence.text), key=share)


def _unsure(fact: Fact) -> Fact:
    return Fact(fact.kind, fact.start, fact.end, fact.value, is_sure=False)


def _head(negation: Fact, words: list[ContentWord]) -> ContentWord | None:
    return next((word for word in words if word.start >= negation.end), None)


def _same_word(head: ContentWord | None, words: list[ContentWord]) -> ContentWord | None:
    return next((word for word in words if head and word.root == head.root), None)


def _opposites_of(claim: ComparedClaim, sentence: EvidenceSentence) -> list[FactFinding]:
    roots = {word.root for word in claim.words}
    findings = []
    for word in claim.words:
        for other in OPPOSITES.get(word.root, ()):
            if other in sentence.roots and word.root not in sentence.roots and other not in roots:
                place = next(each for each in sentence.words if each.root == other)
                fact = Fact("opposite", word.start, word.end, claim.text[word.start : word.end].casefold())
                if claim.shares_without(fact)[0] >= NEAR:
                    findings.append(FactFinding(fact, "contradicted", sentence, place.start, place.end))
                    break
    return findings
