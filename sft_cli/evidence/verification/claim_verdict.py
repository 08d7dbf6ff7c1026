"""The verdict on a claim: what each independent source says, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.evidence.claims import Claim
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import ClaimCheck, check_claim
from sft_cli.evidence.verification.sources import Source

SUPPORTED, CONTRADICTED, NOT_STATED, DISPUTED = "supported", "contradicted", "not stated", "disputed"


@dataclass(frozen=True)
class SourcedCheck:
    """What one source, or all of them together, say of a claim, and the passages that were read for it."""

    names: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]
    check: ClaimCheck


def verify_claim(claim: Claim, sources: Sequence[Source], together: Evidence | None) -> dict[str, Any]:
    """The entry of a claim in the output: verdict, score, sources for and against it, evidence, facts.

    together: all passages, for claims that no source has whole. A claim is `disputed` if as many sources contradict it
    as support it; otherwise the greater number decides.
    """
    checks = [SourcedCheck(each.names, each.passages, check_claim(claim.text, each.evidence)) for each in sources]
    supporting = [each for each in checks if each.check.verdict == SUPPORTED]
    opposing = [each for each in checks if each.check.verdict == CONTRADICTED]
    if len(supporting) != len(opposing):
        verdict = SUPPORTED if len(supporting) > len(opposing) else CONTRADICTED
        best = max(supporting if verdict == SUPPORTED else opposing, key=lambda each: each.check.score)
    elif supporting:
        verdict, best = DISPUTED, max(supporting, key=lambda each: each.check.score)
    elif together is not None:
        passages = tuple(passage for source in sources for passage in source.passages)
        best = SourcedCheck((), passages, check_claim(claim.text, together))
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


def _evidence(found: SourcedCheck) -> dict[str, Any] | None:
    """The nearest sentence: the id and source of its passage, its offsets there, its words."""
    span = found.check.evidence
    if span is None:
        return None
    passage = found.passages[span.passage]
    about = {name: passage[name] for name in ("id", "source") if passage.get(name)}
    return {**about, "start": span.start, "end": span.end, "text": passage["text"][span.start : span.end]}


def _fact_entry(claim: Claim, found: SourcedCheck, finding: Any) -> dict[str, Any]:
    fact = finding.fact
    entry = {"kind": fact.kind, "text": claim.text[fact.start : fact.end], "status": finding.status}
    return {**entry, **({"evidence": finding.shown} if finding.shown else {})}
