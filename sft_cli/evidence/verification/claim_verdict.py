"""The verdict on a claim: what each independent source says, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sft_cli.data.verifier.stances import CONTRADICTED, NOT_STATED, SUPPORTED
from sft_cli.evidence.claims import Claim
from sft_cli.evidence.facts.check import ClaimCheck, check_claim
from sft_cli.evidence.facts.roots import content_words
from sft_cli.evidence.graph.check import CheckedTriple
from sft_cli.evidence.verification.combined import Stance, Thresholds, combined_score, combined_verdict
from sft_cli.evidence.verification.sources import Voices

GRAPH = "knowledge graph"  # the name of the graph among the sources
DISPUTED = "disputed"  # as many sources for a claim as against it


@dataclass(frozen=True)
class SourcedCheck:
    """What one source, or all of them together, say of a claim, and the passages that were read for it."""

    names: tuple[str, ...]
    passages: tuple[dict[str, Any], ...]
    check: ClaimCheck
    stance: Stance | None
    thresholds: Thresholds | None

    @property
    def verdict(self) -> str:
        """What it says, by its facts and by the model."""
        return combined_verdict(self.check, self.stance, self.thresholds)

    @property
    def is_about_it(self) -> bool:
        """Whether its nearest sentence has no other word in the place of a word of the claim."""
        return not any(each.fact.kind == "word" and content_words(each.shown) for each in self.check.findings)

    @property
    def score(self) -> float:
        """How well it supports the claim, from 0 to 1."""
        return round(combined_score(self.check, self.stance), 6)


@dataclass(frozen=True)
class ModelSaid:
    """What a verifier model says of each source of a claim (None without a model), and thresholds if there are any."""

    stances: Sequence[Stance | None]
    thresholds: Thresholds | None = None


def verify_claim(
    claim: Claim, voices: Voices, said: ModelSaid, triples: Sequence[CheckedTriple] = ()
) -> dict[str, Any]:
    """The entry of a claim in the output: verdict, score, sources for and against it, evidence, facts, triples.

    A claim that no source has whole is compared with all passages together. triples: those of the claim, checked by a
    knowledge graph; the graph is one more source. A claim is `disputed` if as many sources contradict it as support it;
    otherwise the greater number decides.
    """
    entry = _by_sources(claim, voices, said)
    of_graph = {triple.verdict for triple in triples}
    if not triples or of_graph == {"unknown"}:
        return {**entry, **_triples(triples)}
    opinion = "contradicted_by" if CONTRADICTED in of_graph else "supported_by"
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


def _by_sources(claim: Claim, voices: Voices, said: ModelSaid) -> dict[str, Any]:
    checks = [
        SourcedCheck(each.names, each.passages, check_claim(claim.text, each.evidence), stance, said.thresholds)
        for each, stance in zip(voices.sources, said.stances, strict=True)
    ]
    supporting = [each for each in checks if each.verdict == SUPPORTED]
    # That the library opened in 1962 counts for the museum only if no source speaks of the museum itself.
    if any(each.is_about_it and each.verdict != NOT_STATED for each in checks):
        supporting = [each for each in supporting if each.is_about_it or each.stance is not None]
    opposing = [each for each in checks if each.verdict == CONTRADICTED]
    if len(supporting) != len(opposing):
        verdict = SUPPORTED if len(supporting) > len(opposing) else CONTRADICTED
        best = max(supporting if verdict == SUPPORTED else opposing, key=lambda each: each.score)
    elif supporting:
        verdict, best = DISPUTED, max(supporting, key=lambda each: each.score)
    elif voices.together is not None:
        # No source alone decides: its facts may be in several of them. The model has read each of them.
        clearest = min((each for each in said.stances if each), key=lambda stance: stance.not_stated, default=None)
        check = check_claim(claim.text, voices.together)
        best = SourcedCheck((), voices.passages, check, clearest, said.thresholds)
        verdict = best.verdict
    else:
        return {**_place(claim), "verdict": NOT_STATED, "check": "none", "score": 0.0, "facts": []}
    is_by_model = best.stance is not None and best.verdict != best.check.verdict
    check_name = "model" if is_by_model else "facts"
    entry: dict[str, Any] = {**_place(claim), "verdict": verdict, "check": check_name, "score": best.score}
    if best.stance is not None:
        entry["model"] = {key: round(value, 4) for key, value in best.stance._asdict().items()}
    for name, group in (("supported_by", supporting), ("contradicted_by", opposing)):
        if group:
            entry[name] = [" = ".join(each.names) for each in group]
    evidence = _evidence(best)
    if evidence:
        entry["evidence"] = evidence
    facts = [_fact_entry(claim, best, finding) for finding in best.check.findings]
    return {**entry, "facts": facts}


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
