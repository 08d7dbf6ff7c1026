"""Check a claim against passages, fact by fact, without a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sft_cli.evidence.facts.alignment import ComparedClaim, Evidence
from sft_cli.evidence.facts.assertion import open_findings
from sft_cli.evidence.facts.citations import without_passage_citations
from sft_cli.evidence.facts.comparison import VERY_NEAR, FactFinding, Status, find_fact
from sft_cli.evidence.facts.fact import Fact, FactKind, Quantity
from sft_cli.evidence.facts.names import looks_like_chinese_name
from sft_cli.evidence.facts.negation import words_without_negations
from sft_cli.evidence.facts.polarity import polarity_findings
from sft_cli.evidence.facts.roles import role_findings
from sft_cli.evidence.facts.roots import WIDE_CHARACTER

Verdict = Literal["supported", "contradicted", "not stated"]
LEAST_SHARE = 0.5  # of the content of a supported claim, in one sentence and its neighbours
VALUES = ("number", "date", "time", "name")  # facts that say which thing or when, or how much
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
    sentences have less than half of its content, else `supported`. If the nearest sentence has another value for two or
    more of its facts, it speaks of another matter (another year, another country), and contradicts none of them.
    """
    claim = ComparedClaim(without_passage_citations(text), evidence)
    findings = [find_fact(claim, fact) for fact in claim.facts if fact.kind != "negation"]
    findings += polarity_findings(claim)
    findings += _replaced_words(claim)
    findings = [*_of_another_matter(findings), *role_findings(claim)]
    if left_open := open_findings(claim):  # such a sentence contradicts nothing
        findings = [replace(each, status="absent") if each.status == "contradicted" else each for each in findings]
        findings += left_open
    findings.sort(key=lambda finding: finding.fact.start)
    support = _support(claim)
    best = claim.near[0].sentence if claim.near else None
    return ClaimCheck(
        _claim_verdict(findings, support),
        round(support * fact_factor(findings), 6),
        EvidenceSpan(best.passage, best.start, best.end) if best else None,
        findings,
    )


def _of_another_matter(findings: list[FactFinding]) -> list[FactFinding]:
    """The findings; two or more values that differ are `absent`: sales of 2010 do not contradict those of 2011."""
    differing = [finding for finding in findings if finding.status == "contradicted" and finding.fact.kind in VALUES]
    if len(differing) < 2:
        return findings
    return [
        FactFinding(replace(finding.fact, is_sure=True), "absent") if finding in differing else finding
        for finding in findings
    ]


def _claim_verdict(findings: list[FactFinding], support: float) -> Verdict:
    if any(finding.status == "contradicted" for finding in findings):
        return "contradicted"
    if support < LEAST_SHARE or any(finding.status == "absent" and finding.fact.is_sure for finding in findings):
        return "not stated"
    return "supported"


def fact_factor(findings: list[FactFinding]) -> float:
    """The product of 0.35 for each contradicted fact and 0.4 for each sure fact that is absent."""
    factor = 1.0
    for finding in findings:
        if finding.status == "contradicted":
            factor *= CONTRADICTED
        elif finding.status == "absent" and finding.fact.is_sure:
            factor *= ABSENT
    return factor


def _support(claim: ComparedClaim) -> float:
    """The mean of two shares of the content: in the nearest sentences together, and in all passages.

    A claim says nothing that can be checked if it is only a negation (`It is not.`) or only a number without a unit.
    """
    if _is_empty(claim):
        return 0.0
    if not claim.words:
        return 1.0
    if not claim.near:
        return 0.0
    near = [each for each in claim.near if each.share >= claim.near[0].share / 2]
    together = frozenset().union(*(each.sentence.roots for each in near))
    return (claim.evidence.share(claim.words, together) + claim.evidence.share(claim.words)) / 2


def _is_empty(claim: ComparedClaim) -> bool:
    """Whether a claim is only a negation, or only a number without a unit."""
    stated = [fact for fact in claim.facts if fact.kind != "negation"]
    if not stated:
        return all(PRONOUNS.issuperset(word.root) for word in words_without_negations(claim.text))
    is_bare = len(stated) == 1 and isinstance(stated[0].value, Quantity) and not stated[0].value.unit
    return is_bare and all(stated[0].start <= word.start < stated[0].end for word in claim.words)


def _replaced_words(claim: ComparedClaim) -> list[FactFinding]:
    """Words in the place of other words of the nearest sentence.

    A word that no passage has is `absent`, and not sure: it may be a synonym. Chinese names have no capitals, so they
    are found here: if both parts look like names, the claim's is a name that is `contradicted`; it is a name that is
    `absent` if no passage has it, and one of the parts looks like a name or the claim's has three or more characters.
    """
    if not claim.near or claim.near[0].share < LEAST_SHARE:
        return []
    sentence = claim.near[0].sentence
    hard = [(fact.start, fact.end) for fact in claim.facts if fact.kind != "negation"]
    findings = []
    for (start, end), (their_start, their_end) in claim.replaced:
        new = [word for word in claim.words if start <= word.start and word.end <= end]
        new = [word for word in new if not any(first < word.end and word.start < last for first, last in hard)]
        unknown = [word for word in new if not claim.evidence.has_word(word.root)]
        if not new:
            continue
        first, last = new[0].start, new[-1].end
        text, other = claim.text[first:last], sentence.text[their_start:their_end]
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
        fact = Fact(kind, first, last, text.casefold(), is_sure=kind == "name")
        findings.append(FactFinding(fact, status, sentence, their_start, their_end))
    return findings
