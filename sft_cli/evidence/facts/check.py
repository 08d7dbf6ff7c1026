"""Check a claim against passages, fact by fact, without a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sft_cli.evidence.facts.alignment import ComparedClaim, Evidence
from sft_cli.evidence.facts.assertion import open_findings
from sft_cli.evidence.facts.bounds import span_with_words_around
from sft_cli.evidence.facts.chinese_parts import with_replaced_parts
from sft_cli.evidence.facts.citations import without_passage_citations
from sft_cli.evidence.facts.comparison import VERY_NEAR, FactFinding, Status, find_fact
from sft_cli.evidence.facts.fact import Fact, FactKind
from sft_cli.evidence.facts.names import looks_like_chinese_name
from sft_cli.evidence.facts.negation import words_without_negations
from sft_cli.evidence.facts.opposites import opposite_of
from sft_cli.evidence.facts.polarity import polarity_findings
from sft_cli.evidence.facts.roles import role_findings
from sft_cli.evidence.facts.roots import WIDE_CHARACTER
from sft_cli.evidence.facts.same_matter import is_other_word, without_other_matters

Verdict = Literal["supported", "contradicted", "not stated"]
LEAST_SHARE = 0.5  # of the content of a supported claim, in one sentence and its neighbours
PRONOUNS = frozenset("我你您他她它们們这那這")  # Chinese ones: in English they are no content words
CONTRADICTED, ABSENT = 0.35, 0.4  # what each such fact leaves of the score


@dataclass(frozen=True)
class EvidenceSpan:
    """A part of a passage: the passage's number from 0, and offsets into it."""

    passage: int
    start: int
    end: int


@dataclass(frozen=True)
class ClaimCheck:
    """What passages say of a claim.

    `score` is from 0 to 1: it orders claims, it is not a probability. `evidence` is the sentence that is nearest to the
    claim, None if no sentence shares a word with it. `findings` has one entry for each fact; words that were replaced
    are `absent` facts of kind `word`.
    """

    verdict: Verdict
    score: float
    evidence: EvidenceSpan | None
    findings: list[FactFinding]

    @property
    def fact_factor(self) -> float:
        """What its facts leave of a score: 1, less for each fact that is contradicted or, if it is sure, absent."""
        return fact_factor(self.findings)


def check_claim(text: str, evidence: Evidence) -> ClaimCheck:
    """Check each fact of a claim against the passages, and the claim as a whole, without its citations of passages.

    A claim is `contradicted` if one of its facts is, `not stated` if a sure fact is in no passage or if the nearest
    sentences have less than half of its content, else `supported`. A nearest sentence that speaks of another thing
    (another year, another country, another building) contradicts none of its facts.
    """
    claim = ComparedClaim(without_passage_citations(text), evidence)
    findings = [find_fact(claim, fact) for fact in claim.facts if fact.kind != "negation"]
    findings += polarity_findings(claim)
    findings += _replaced_words(claim)
    findings = without_other_matters(claim, with_replaced_parts(claim, findings))
    findings += role_findings(claim)
    if left_open := open_findings(claim):  # such a sentence contradicts nothing
        findings = [replace(each, status="absent") if each.status == "contradicted" else each for each in findings]
        findings += left_open
    findings.sort(key=lambda finding: finding.fact.start)
    support = _support(claim, findings)
    best = claim.near[0].sentence if claim.near else None
    return ClaimCheck(
        _claim_verdict(findings, support),
        round(support * fact_factor(findings), 6),
        EvidenceSpan(best.passage, best.start, best.end) if best else None,
        findings,
    )


def _claim_verdict(findings: list[FactFinding], support: float) -> Verdict:
    if any(finding.status == "contradicted" for finding in findings):
        return "contradicted"
    if support < LEAST_SHARE or any(finding.status == "absent" and finding.fact.is_sure for finding in findings):
        return "not stated"
    return "supported"


def fact_factor(findings: list[FactFinding]) -> float:
    """The product of 0.35 for each contradicted fact and 0.4 for each sure fact that is absent.

    A word that is replaced is no part of it: in the claims of people it is mostly a synonym, and a model reads that.
    """
    factor = 1.0
    for finding in findings:
        if finding.status == "contradicted":
            factor *= CONTRADICTED
        elif finding.status == "absent" and finding.fact.is_sure and finding.fact.kind != "word":
            factor *= ABSENT
    return factor


def _support(claim: ComparedClaim, findings: list[FactFinding]) -> float:
    """The mean of two shares of the content: in the nearest sentences together, and in all passages.

    A negation alone (`It is not.`) states nothing to check. The words of a number, date or time that is found
    do not count if the passages write it in other words.
    """
    found = [each.fact for each in findings if each.status == "found" and each.fact.kind in ("number", "date", "time")]
    words = [
        word
        for word in claim.words
        if claim.evidence.has_word(word.root)
        or not any(fact.start < word.end and word.start < fact.end for fact in found)
    ]
    if _is_negation_alone(claim):
        return 0.0
    if not words:
        return 1.0
    if not claim.near:
        return 0.0
    near = [each for each in claim.near if each.share >= claim.near[0].share / 2]
    together = frozenset().union(*(each.sentence.roots for each in near))
    return (claim.evidence.share(words, together) + claim.evidence.share(words)) / 2


def _is_negation_alone(claim: ComparedClaim) -> bool:
    """Whether a claim has no content, or none but pronouns, and no fact but a negation."""
    is_denial = all(fact.kind == "negation" for fact in claim.facts)
    return is_denial and all(PRONOUNS.issuperset(word.root) for word in words_without_negations(claim.text))


def _replaced_words(claim: ComparedClaim) -> list[FactFinding]:
    """Words in the place of other words of the nearest sentence.

    A word that no passage has is `absent`. It is not sure if the sentence has no content there, or another spelling of
    the word; any other word can be a synonym or another thing, and nothing in its form shows which. Chinese names have
    no capitals, so they are found here: if both parts look like names, the claim's is a name that is `contradicted`; it
    is a name that is `absent` if no passage has it, and one of the parts looks like a name or the claim's has three or
    more characters.
    """
    if not claim.near or claim.near[0].share < LEAST_SHARE:
        return []
    sentence = claim.near[0].sentence
    hard = [
        span_with_words_around(claim.text, fact.start, fact.end) if fact.kind == "number" else (fact.start, fact.end)
        for fact in claim.facts
        if fact.kind != "negation"
    ]
    findings = []
    for (start, end), (their_start, their_end) in claim.replaced:
        new = [word for word in claim.words if start <= word.start and word.end <= end]
        new = [word for word in new if not any(first < word.end and word.start < last for first, last in hard)]
        new = [word for word in new if opposite_of(word, claim, sentence) is None]  # compared with the negations
        unknown = [word for word in new if not claim.evidence.has_word(word.root)]
        if not new:
            continue
        first, last = new[0].start, new[-1].end
        text, other = claim.text[first:last], sentence.text[their_start:their_end]
        is_word = is_other_word(text, other)
        is_near = claim.shares_without(Fact("word", first, last, text))[0] >= VERY_NEAR
        status: Status
        kind: FactKind
        has_names = [is_near and looks_like_chinese_name(part) for part in (text, other)]
        if all(has_names):
            status, kind = "contradicted", "name"
        elif unknown:
            is_long = is_near and WIDE_CHARACTER.match(text) is not None and last - first >= 3
            status, kind = "absent", "name" if is_long or any(has_names) else "word"
        else:
            continue
        fact = Fact(kind, first, last, text.casefold(), is_sure=kind == "name" or is_word)
        findings.append(FactFinding(fact, status, sentence, their_start, their_end))
    return findings
