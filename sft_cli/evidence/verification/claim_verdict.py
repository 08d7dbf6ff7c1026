"""The verdict on a claim: what each independent source says, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.evidence.claims import Claim
from sft_cli.evidence.facts.check import ClaimCheck, check_claim
from sft_cli.evidence.graph.check import CheckedTriple
from sft_cli.evidence.verification.sources import Voices

GRAPH = "knowledge graph"  # the name of the graph among the sources
SUPPORTED, CONTRADICTED, NOT_STATED, DISPUTED = "supported", "contradicted", "not stated", "disputed"


@dataclass(frozen=True)
class SourcedCheck:
    """What one source, or all of them together, say of a claim, and the passages that were read for it."""

    names: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]
    check: ClaimCheck


def verify_claim(claim: Claim, voices: Voices, triples: Sequence[CheckedTriple] = ()) -> dict[str, Any]:
    """The entry of a claim in the output: verdict, score, sources for and against it, evidence, facts, triples.

    A claim that no source has whole is compared with all passages together. triples: those of the claim, checked by a
    knowledge graph; the graph is one more source. A claim is `disputed` if as many sources contradict it as support it;
    otherwise the greater number decides.
    """
    entry = _by_sources(claim, voices)
    said = {triple.verdict for triple in triples}
    if not triples or said == {"unknown"}:
        return {**entry, **_triples(triples)}
    opinion = "contradicted_by" if CONTRADICTED in said else "supported_by"
    entry[opinion] = [*entry.get(opinion, []), GRAPH]
    counts = [len(entry.get(name, [])) for name in ("supported_by", "contradicted_by")]
    verdict = DISPUTED if counts[0] == counts[1] else SUPPORTED if counts[0] > counts[1] else CONTRADICTED
    check = "knowledge" if entry["check"] == "none" else entry["check"]
    score = entry["score"] if entry["check"] != "none" else float(opinion == "supported_by")
    return {**entry, "verdict": verdict, "check": check, "score": score, **_triples(triples)}


def _triples(triples: Sequence[CheckedTriple]) -> dict[str, Any]:
    """What the graph says of each triple, with the names of the sentence; `known` has what it has instead."""
    entries = [
        {
            "subject": triple.subject,
            "relation": triple.relation,
            "object": triple.object,
            "verdict": triple.verdict,
            **({"known": [list(each) for each in triple.known]} if triple.known else {}),
        }
        for triple in triples
    ]
    return {"triples": entries} if entries else {}


def _by_sources(claim: Claim, voices: Voices) -> dict[str, Any]:
    checks = [
        SourcedCheck(each.names, each.passages, check_claim(claim.text, each.evidence)) for each in voices.sources
    ]
    supporting = [each for each in checks if each.check.verdict == SUPPORTED]
    opposing = [each for each in checks if each.check.verdict == CONTRADICTED]
    if len(supporting) != len(opposing):
        verdict = SUPPORTED if len(supporting) > len(opposing) else CONTRADICTED
        best = max(supporting if verdict == SUPPORTED else opposing, key=lambda each: each.check.score)
    elif supporting:
        verdict, best = DISPUTED, max(supporting, key=lambda each: each.check.score)
    elif voices.together is not None:
        best = SourcedCheck((), voices.passages, check_claim(claim.text, voices.together))
        verdict = best.check.verdict
    else:
        return {**_place(claim), "verdict": NOT_STATED, "check": "none", "score": 0.0}
    entry: dict[str, Any] = {**_place(claim), "verdict": verdict, "check": "facts", "score": best.check.score}
    for name, group in (("supported_by", supporting), ("contradicted_by", opposing)):
        if group:
            entry[name] = [" = ".join(each.names) for each in group]
    evidence = _evidence(best)
    if evidence:
        entry["evidence"] = evidence
    facts = [_fact_entry(claim, best, finding) for finding in best.check.findings]
    return {**entry, **({"facts": facts} if facts else {})}


def _place(claim: Claim) -> dict[str, Any]:
    return {"text": claim.text, "start": claim.start, "end": claim.end}


def _evidence(sourced: SourcedCheck) -> dict[str, Any] | None:
    """The nearest sentence: the id and source of its passage, its offsets there, its words."""
    span = sourced.check.evidence
    if span is None:
        return None
    passage = sourced.passages[span.passage]
    about = {name: passage[name] for name in ("id", "source") if passage.get(name)}
    return {**about, "start": span.start, "end": span.end, "text": passage["text"][span.start : span.end]}


def _fact_entry(claim: Claim, sourced: SourcedCheck, finding: Any) -> dict[str, Any]:
    fact = finding.fact
    entry = {"kind": fact.kind, "text": claim.text[fact.start : fact.end], "status": finding.status}
    return {**entry, **({"evidence": finding.shown} if finding.shown else {})}
