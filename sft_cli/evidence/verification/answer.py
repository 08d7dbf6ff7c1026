"""All claims of an answer, checked against the passages of its row and against one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sft_cli.data.rows import Row
from sft_cli.data.verifier.stances import CONTRADICTED, NOT_STATED, SUPPORTED
from sft_cli.evidence.abstention import is_abstention, is_greeting, is_question
from sft_cli.evidence.claims import Claim, split_claims
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.roots import content_words
from sft_cli.evidence.facts.same_matter import VALUES
from sft_cli.evidence.facts.source_marks import without_marks
from sft_cli.evidence.graph.check import GraphChecker
from sft_cli.evidence.verification.cited import check_citations
from sft_cli.evidence.verification.claim_verdict import DISPUTED, ModelSaid, verify_claim
from sft_cli.evidence.verification.model_check import ModelCheck
from sft_cli.evidence.verification.sources import Voices
from sft_cli.metrics.answers import THINK, Marks, without_thoughts
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.passages import passages_of

MOST_CLAIM_CHARACTERS = 2000  # a longer text without an end of a sentence is not compared: it would take minutes
MOST_AMONG_THEMSELVES = 200  # claims of an answer that are compared with one another: each with all before it
TOO_LONG, RIGHT = "too long", "supported"


def sentences_of(row: Row, field: str | None, said: str) -> list[Claim]:
    """What an answer says: its sentences and clauses, or the texts in a field of the row.

    said: the completion without its thoughts, which is its end. Raises FieldError if the field is not a list of texts.
    Such texts have no place in the answer: each begins at 0.
    """
    if field is None:
        before = len(row["completion"]) - len(said)
        return [
            replace(claim, offsets=tuple(place + before for place in claim.offsets)) for claim in split_claims(said)
        ]
    texts = row.get(field)
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise FieldError(field, f"expected a list of texts, got {shown(texts)}")
    plain = (without_marks(text) for text in texts)
    return [Claim(text, tuple(places), is_question=is_question(text)) for text, places in plain if text.strip()]


def states_nothing(claim: Claim) -> bool:
    """Whether a sentence is a question, a greeting or “I don't know”; a quotation is always checked."""
    return not claim.is_quote and (claim.is_question or is_greeting(claim.text) or is_abstention(claim.text))


@dataclass
class AnswerVerifier:
    """Checks answers. find: gives the passages of a corpus for a claim. field: names the claims, if rows have them.

    graph: checks the triples that a claim says. model: a verifier reads each claim and its sources. reasoning: the
    marks around thoughts, which are not checked.
    """

    find: Callable[[str], list[Row]] | None = None
    field: str | None = None
    graph: GraphChecker | None = None
    model: ModelCheck = dataclasses.field(default_factory=ModelCheck)
    reasoning: Marks | None = THINK

    def verify(self, row: Row) -> Row:
        """The row with `claims`, an entry for each, and `verification`, their counts.

        An answer that abstains, and a generation that failed or has only thoughts, has no claims. Raises FieldError for
        a bad field.
        """
        completion = row.get("completion")
        if completion is not None and not isinstance(completion, str):
            raise FieldError("completion", f"expected text, got {shown(completion)}")
        if "claims" in row and self.field != "claims":
            raise FieldError("claims", "expected an answer that is not verified yet, got one with claims")
        given = passages_of(row, "context")
        said = None if completion is None else without_thoughts(completion, self.reasoning)
        sentences = [] if said is None or is_abstention(said) else sentences_of(row, self.field, said)
        claims = [sentence for sentence in sentences if not states_nothing(sentence)]
        abstained = not claims and any(is_abstention(text) for text in [said or "", *(each.text for each in sentences)])
        entries = self.entries(claims, given)
        for number, earlier in contradictions(claims):
            entries[number]["contradicts_claim"] = earlier
        counts = counts_of(entries, abstained)
        if len(sentences) > len(claims):
            counts["states_nothing"] = len(sentences) - len(claims)
        if said != completion:
            counts["thoughts"] = "no end" if said is None else "left out"
        return {**row, "claims": entries, "verification": counts}

    def entries(self, claims: list[Claim], given: list[Row]) -> list[Row]:
        """The entry of each claim, checked against the given passages and those that are found for it."""
        short = [claim for claim in claims if not _is_too_long(claim)]
        shared = Voices(given) if self.find is None else None  # the same for all claims
        voices = [shared or Voices([*given, *(self.find(claim.text) if self.find else [])]) for claim in short]
        compared = iter(zip(short, voices, self.model.said(short, voices), strict=True))
        return [_uncompared(claim) if _is_too_long(claim) else self._entry(given, *next(compared)) for claim in claims]

    def _entry(self, given: list[Row], claim: Claim, voices: Voices, said: ModelSaid) -> Row:
        triples = self.graph.check(claim.text) if self.graph else []
        entry = verify_claim(claim, voices, said, triples)
        if self.model.calibration is not None:
            entry["probability"] = round(self.model.calibration.probability(entry["score"]), 4)
        citations = check_citations(claim.text, given)
        return {**entry, **({"citations": citations} if citations else {})}


def _uncompared(claim: Claim) -> Row:
    """The entry of a claim that is too long."""
    place = {"text": claim.text, "start": claim.start, "end": claim.end}
    return {**place, "verdict": NOT_STATED, "check": TOO_LONG, "score": 0.0, "facts": []}


def contradictions(claims: list[Claim]) -> Iterator[tuple[int, int]]:
    """(number of a claim, number of the first earlier claim that it contradicts), of the first 200 claims.

    The sentences of one answer are often of different things, one after another. So a claim that begins with another
    name or another date than the earlier one does not contradict it: `Norway uses …`, `In 2011 …`.
    """
    said: list[tuple[int, Evidence]] = []
    for number, claim in enumerate(claims[:MOST_AMONG_THEMSELVES]):
        if _is_too_long(claim):
            continue
        against = (earlier for earlier, text in said if _contradicts(claim.text, text))
        if (first := next(against, None)) is not None:
            yield number, first
        said.append((number, Evidence([claim.text])))


def _contradicts(claim: str, said: Evidence) -> bool:
    check = check_claim(claim, said)
    begin = next((word.start for word in content_words(claim)), 0)
    differing = [finding.fact for finding in check.findings if finding.status == CONTRADICTED]
    return check.verdict == CONTRADICTED and all(fact.kind not in VALUES or fact.start > begin for fact in differing)


def _is_too_long(claim: Claim) -> bool:
    return len(claim.text) > MOST_CLAIM_CHARACTERS


def counts_of(entries: list[Row], abstained: bool) -> Row:
    """How many claims got each verdict, which share is supported, and how many problems there are of each kind.

    Kinds: `factual` (contradicted, disputed or not stated), `citation` (of a passage that is not there or does not
    support the claim), `logical` (a claim against an earlier one of the same answer). `cited_claims` are those with
    at least one right citation.
    """
    verdicts = [entry["verdict"] for entry in entries]
    counts = {name.replace(" ", "_"): verdicts.count(name) for name in (SUPPORTED, CONTRADICTED, NOT_STATED, DISPUTED)}
    cited = [[citation["verdict"] == RIGHT for citation in entry.get("citations", [])] for entry in entries]
    kinds = {
        "factual": len(entries) - counts["supported"],
        "citation": sum(not is_right for each in cited for is_right in each),
        "logical": sum("contradicts_claim" in entry for entry in entries),
    }
    share = counts["supported"] / len(entries) if entries else None
    citations = {"citations": sum(map(len, cited)), "cited_claims": sum(map(any, cited))}
    return {
        "claims": len(entries),
        **counts,
        "supported_share": share,
        **citations,
        "kinds": kinds,
        "abstained": abstained,
    }
