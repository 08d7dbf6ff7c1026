"""The citations of a claim: whether the passage that each one names is there, and whether it supports the claim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sft_cli.evidence.facts.alignment import Evidence
from sft_cli.evidence.facts.check import check_claim
from sft_cli.evidence.facts.citations import passage_citations

NO_PASSAGE = "no such passage"


def check_citations(claim: str, passages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """An entry for each `[3]` and `[source: ID]` of a claim: its text, the passage's id, and a verdict.

    passages: those of the prompt, in the order of their numbers. The verdict is that of `check_claim` on this passage
    alone (or on all passages of the source that is named), or `no such passage`. Citation precision as in Gao et al.
    2023, ALCE (arXiv 2305.14627), section 3, with this check in the place of an entailment model: a citation is right
    if its passage alone supports the claim.
    """
    entries = []
    for fact in passage_citations(claim):
        for cited in _cited_passages(str(fact.value), passages):
            entry: dict[str, Any] = {"text": claim[fact.start : fact.end]}
            if not cited:
                entries.append({**entry, "verdict": NO_PASSAGE})
                continue
            check = check_claim(claim, Evidence([passage["text"] for passage in cited]))
            nearest = cited[check.evidence.passage if check.evidence else 0]
            about = {"id": nearest["id"]} if nearest.get("id") else {}
            entries.append({**entry, **about, "verdict": check.verdict})
    return entries


def _cited_passages(citation: str, passages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """For each part of a citation its passages; none if there is no such passage.

    `number:3` is the third passage. `source:NAME` is the passage with this id, or all passages of this source, or the
    passages of these numbers; `source:a#1, a#2` has two parts.
    """
    kind, _, name = citation.partition(":")
    whole = _by_number(name, passages) if kind == "number" else _by_name(name, passages)
    parts = [part for part in re.split(r"\s*[,;，；、]\s*|\s+(?:and|&)\s+|[和与與及]", name) if part]
    if whole or kind == "number" or len(parts) < 2:
        return [whole]
    return [_by_name(part, passages) for part in parts]


def _by_name(name: str, passages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = name.casefold()
    for key in ("id", "source"):
        if found := [each for each in passages if str(each.get(key)).casefold() == wanted]:
            return found
    return _by_number(name, passages)


def _by_number(name: str, passages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    match = re.fullmatch(r"(?:no\.?\s?|#)?(\d{1,4})(?:\s?[-–]\s?(\d{1,4}))?", name.strip(), re.IGNORECASE)
    if match is None:
        return []
    first = int(match[1])
    return list(passages[first - 1 : int(match[2] or first)]) if first else []
