"""The citations of a claim: whether the passage that each one names is there, and whether it supports the claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.citations import passage_citations

NO_PASSAGE = "no such passage"


def check_citations(claim: str, passages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An entry for each `[3]` and `[source: ID]` of a claim: its text, the passage's id, and a verdict.

    passages: those of the prompt, in the order of their numbers. The verdict is that of `check_claim` on this passage
    alone, or `no such passage`. Citation precision as in Gao et al. 2023, ALCE (arXiv 2305.14627), section 3, with
    this check in the place of an entailment model: a citation is right if its passage alone supports the claim.
    """
    entries = []
    for fact in passage_citations(claim):
        entry: dict[str, Any] = {"text": claim[fact.start : fact.end]}
        passage = _cited_passage(str(fact.value), passages)
        if passage is None:
            entries.append({**entry, "verdict": NO_PASSAGE})
            continue
        about = {"id": passage["id"]} if passage.get("id") else {}
        entries.append({**entry, **about, "verdict": check_claim(claim, Evidence([passage["text"]])).verdict})
    return entries


def _cited_passage(citation: str, passages: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The passage of `number:3` or `source:ID`: the third, or the first with this id or source."""
    kind, _, name = citation.partition(":")
    if kind == "number":
        number = int(name)
        return passages[number - 1] if 1 <= number <= len(passages) else None
    wanted = name.casefold()
    return next(
        (each for each in passages if wanted in {str(each.get(key)).casefold() for key in ("id", "source")}), None
    )
