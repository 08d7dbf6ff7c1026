"""All claims of an answer, checked against the passages of its row and against one another."""

from __future__ import annotations

from collections.abc import Callable

from sft_cli.data.rows import Row
from sft_cli.evidence.claims import Claim, split_claims
from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.graph.check import GraphChecker
from sft_cli.evidence.verification.claim_verdict import CONTRADICTED, DISPUTED, NOT_STATED, SUPPORTED, verify_claim
from sft_cli.evidence.verification.sources import independent_sources
from sft_cli.metrics.plain_text import collapse_space
from sft_cli.run.errors import FieldError, shown
from sft_cli.run.passages import passages_of

# What the built-in templates ask for if the passages have no answer, and its usual forms.
ABSTENTIONS = {"i don't know", "i do not know", "我不知道", "不知道"}
MOST_CLAIM_CHARACTERS = 2000  # a longer text without an end of a sentence is not a claim


def is_abstention(text: str) -> bool:
    """Whether an answer says only that it does not know, in English or Chinese."""
    return collapse_space(text).casefold().replace("’", "'").strip(' .。!！"“”') in ABSTENTIONS


def claims_of(row: Row, field: str | None) -> list[Claim]:
    """The claims of an answer: its sentences and clauses, or the texts in a field of the row.

    Raises FieldError if the field is not a list of texts. Such texts have no place in the answer: each begins at 0.
    """
    if field is None:
        return [claim for claim in split_claims(row["completion"]) if len(claim.text) <= MOST_CLAIM_CHARACTERS]
    texts = row.get(field)
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise FieldError(field, f"expected a list of texts, got {shown(texts)}")
    return [Claim(text, tuple(range(len(text)))) for text in texts]


class AnswerVerifier:
    """Checks answers. find: gives the passages of a corpus for a claim. field: names the claims, if rows have them.

    graph: checks the triples that a claim says.
    """

    def __init__(
        self,
        find: Callable[[str], list[Row]] | None = None,
        field: str | None = None,
        graph: GraphChecker | None = None,
    ) -> None:
        self.find, self.field, self.graph = find, field, graph

    def verify(self, row: Row) -> Row:
        """The row with `claims`, an entry for each, and `verification`, their counts.

        An answer that abstains, and a generation that failed, has no claims. Raises FieldError for a bad field.
        """
        completion = row.get("completion")
        if completion is not None and not isinstance(completion, str):
            raise FieldError("completion", f"expected text, got {shown(completion)}")
        if "claims" in row and self.field != "claims":
            raise FieldError("claims", "expected an answer that is not verified yet, got one with claims")
        given = passages_of(row, "context")
        abstained = completion is not None and is_abstention(completion)
        claims = [] if completion is None or abstained else claims_of(row, self.field)
        entries = [self._entry(claim, given) for claim in claims]
        for number, (claim, entry) in enumerate(zip(claims, entries, strict=True)):
            against = self._against_itself(claim, [each.text for each in claims[:number]])
            if against is not None:
                entry["contradicts_claim"] = against
        return {**row, "claims": entries, "verification": counts_of(entries, abstained)}

    def _entry(self, claim: Claim, given: list[Row]) -> Row:
        passages = [*given, *(self.find(claim.text) if self.find else [])]
        unique = {(passage.get("id"), passage["text"]): passage for passage in passages}
        sources = independent_sources(list(unique.values()))
        texts = [passage["text"] for source in sources for passage in source.passages]
        triples = self.graph.check(claim.text) if self.graph else []
        return verify_claim(claim, sources, Evidence(texts) if texts else None, triples)

    def _against_itself(self, claim: Claim, before: list[str]) -> int | None:
        """The number of an earlier claim of the answer that this one contradicts."""
        for number, text in enumerate(before):
            if check_claim(claim.text, Evidence([text])).verdict == "contradicted":
                return number
        return None


def counts_of(entries: list[Row], abstained: bool) -> Row:
    """How many claims got each verdict, which share is supported, and how many problems there are of each kind.

    Kinds: `factual` (contradicted, disputed or not stated), `citation` (a citation that does not hold), `logical` (a
    claim against an earlier one of the same answer).
    """
    verdicts = [entry["verdict"] for entry in entries]
    counts = {name.replace(" ", "_"): verdicts.count(name) for name in (SUPPORTED, CONTRADICTED, NOT_STATED, DISPUTED)}
    citations = [
        fact["status"] != "found" for entry in entries for fact in entry.get("facts", []) if fact["kind"] == "citation"
    ]
    kinds = {
        "factual": len(entries) - counts["supported"],
        "citation": sum(citations),
        "logical": sum("contradicts_claim" in entry for entry in entries),
    }
    share = counts["supported"] / len(entries) if entries else None
    return {"claims": len(entries), **counts, "supported_share": share, "kinds": kinds, "abstained": abstained}
