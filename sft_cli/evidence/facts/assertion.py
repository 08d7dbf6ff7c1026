"""What a sentence leaves open: a question, a condition, a rumour, what may have been."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.alignment import ComparedClaim
from sft_cli.evidence.facts.comparison import FactFinding
from sft_cli.evidence.facts.fact import Fact, same_length_widths
from sft_cli.evidence.facts.negation import clause_around, words_without_negations
from sft_cli.evidence.facts.phrases import phrase_pattern

HEDGE = phrase_pattern("hedges")
NO_HEDGE = re.compile(r"\b(?:even|as|only|see|if not|ask\w*|what) if\b|不可能|可能性|可能会?不|是可能", re.IGNORECASE)
CONDITION = re.compile(r"\W*(?:if|unless|如果|假如|倘若|要是|若是|假设|假設)", re.IGNORECASE)
ASKED = re.compile(r"[?？][\"'”’」』)）]*\s*\Z|[吗嗎][。.!！]?\s*\Z")
MOST_STATED = 0.6  # share of the open content of a claim that the rest of the sentence may have
LEAST_OPEN = 0.75  # share of a claim's content that is left open


def open_parts(text: str) -> list[tuple[int, int, int]]:
    """(start of the phrase, its end, end of what it leaves open) for each phrase that leaves a clause open.

    A question, and a sentence that begins with a condition, is open as a whole.
    """
    plain = same_length_widths(text)
    mark = ASKED.search(plain)
    if mark:
        return [(mark.start(), mark.end(), -1)]
    parts = []
    skipped = {place for match in NO_HEDGE.finditer(plain) for place in range(*match.span())}
    for match in HEDGE.finditer(plain):
        if match.start() not in skipped:
            is_whole = CONDITION.match(plain) is not None and CONDITION.match(plain[match.start() :]) is not None
            parts.append((match.start(), match.end(), -1 if is_whole else clause_around(plain, match.start())[1]))
    return parts


def open_findings(claim: ComparedClaim) -> list[FactFinding]:
    """An `absent` finding if the nearest sentence leaves open what the claim asserts; the evidence is the phrase.

    No finding if the claim leaves it open also, or if another sentence that is as near does not.
    """
    if not claim.near or open_parts(claim.text):
        return []
    words = words_without_negations(claim.text)
    finding = None
    for each in claim.near:
        if each.share < claim.near[0].share * 0.9:
            continue
        sentence = each.sentence
        theirs = words_without_negations(sentence.text)
        for start, end, stop in open_parts(sentence.text):
            inside = [w for w in theirs if stop < 0 or start <= w.start < stop]
            outside = [w for w in theirs if w not in inside]
            share, rest = (claim.evidence.share(words, frozenset(w.root for w in part)) for part in (inside, outside))
            if share >= LEAST_OPEN and rest < MOST_STATED:
                place = Fact("hedge", 0, len(claim.text.rstrip()), claim.text.strip())
                finding = finding or FactFinding(place, "absent", sentence, start, end)
                break
        else:
            return []
    return [finding] if finding else []
