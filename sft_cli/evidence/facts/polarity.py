"""Whether a claim says the contrary of its nearest sentence: a negation more or less, or an opposite word."""

from __future__ import annotations

from sft_cli.evidence.facts.alignment import ComparedClaim, EvidenceSentence
from sft_cli.evidence.facts.comparison import NEAR, FactFinding
from sft_cli.evidence.facts.fact import Fact
from sft_cli.evidence.facts.negation import clause_around, clauses_of
from sft_cli.evidence.facts.opposites import opposite_in
from sft_cli.evidence.facts.roots import ContentWord

SAME_CLAUSE = 0.6  # share of the claim's clause that a clause must have to say the same or the contrary


def polarity_findings(claim: ComparedClaim) -> list[FactFinding]:
    """A finding for each negation of the claim, for each that it lacks, and for each opposite word.

    A negation is compared by the first content word after it, which it denies. It is `found` if the nearest sentence
    denies the same word, `contradicted` if the sentence has the word in a clause without negation, else `absent`, and
    not sure. A negation of the sentence that the claim lacks is `contradicted` if the claim is about that clause.
    """
    denied = [fact for fact in claim.facts if fact.kind == "negation"]
    mine = list(denied)
    if not claim.near:
        return [FactFinding(_unsure(fact), "absent") for fact in mine]
    sentence = claim.near[0].sentence
    findings: list[FactFinding] = []
    theirs = sentence.of_kind("negation")
    for fact in denied:
        same = next((other for other in theirs if _denies_same(claim, fact, other, sentence)), None)
        if same:
            theirs.remove(same)
            mine.remove(fact)
            findings.append(FactFinding(fact, "found", sentence, same.start, same.end))
    findings += [_claimed(claim, fact, sentence, theirs) for fact in mine]
    findings += [finding for fact in theirs if (finding := _lacking(claim, fact, sentence, denied))]
    return findings + _opposites_of(claim, sentence)


def _denies_same(claim: ComparedClaim, fact: Fact, other: Fact, sentence: EvidenceSentence) -> bool:
    """Whether a negation of the claim and one of the sentence deny one word, in clauses about the same thing."""
    head, their_head = _head(fact, claim.words), _head(other, sentence.words)
    if head is None or their_head is None or head.root != their_head.root:
        return False
    words = _in_clause(claim.text, fact.start, claim.words)
    start, end = _nearest_clause(claim, words, sentence)
    return start <= other.start < end or sum(word.root == head.root for word in sentence.words) == 1


def _claimed(claim: ComparedClaim, fact: Fact, sentence: EvidenceSentence, theirs: list[Fact]) -> FactFinding:
    """The finding of a negation of the claim for which the sentence has no equal."""
    words = _in_clause(claim.text, fact.start, claim.words)
    start, end = _nearest_clause(claim, words, sentence)
    place = _same_word(_head(fact, claim.words), sentence.words)
    is_near = claim.evidence.share(words, sentence.roots) >= SAME_CLAUSE
    if place is None or not is_near or any(start <= other.start < end for other in theirs):
        return FactFinding(_unsure(fact), "absent")
    return FactFinding(fact, "contradicted", sentence, place.start, place.end)


def _lacking(claim: ComparedClaim, fact: Fact, sentence: EvidenceSentence, denied: list[Fact]) -> FactFinding | None:
    """The finding of a negation of the sentence for which the claim has no equal; None if the claim is not about it."""
    place = _same_word(_head(fact, sentence.words), claim.words)
    if place is None:
        return None
    start, end = clause_around(claim.text, place.start)
    words = [word for word in claim.words if start <= word.start < end]
    first, last = _nearest_clause(claim, words, sentence)
    their_roots = frozenset(word.root for word in sentence.words if first <= word.start < last)
    is_near = claim.evidence.share(words, their_roots) >= SAME_CLAUSE
    if not is_near or not first <= fact.start < last or any(start <= other.start < end for other in denied):
        return None
    lacking = Fact("negation", place.start, place.end, claim.text[start:end].strip())
    return FactFinding(lacking, "contradicted", sentence, fact.start, fact.end)


def _in_clause(text: str, place: int, words: list[ContentWord]) -> list[ContentWord]:
    start, end = clause_around(text, place)
    return [word for word in words if start <= word.start < end]


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
        other = opposite_in(word.root, sentence.roots)
        if other and other not in roots:
            place = next(each for each in sentence.words if each.root == other)
            fact = Fact("opposite", word.start, word.end, claim.text[word.start : word.end].casefold())
            if claim.shares_without(fact)[0] >= NEAR:
                findings.append(FactFinding(fact, "contradicted", sentence, place.start, place.end))
    return findings
