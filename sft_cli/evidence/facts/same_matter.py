"""Whether a sentence that differs from a claim in a fact speaks of the same thing at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Final

from sft_cli.evidence.facts.alignment import ComparedClaim
from sft_cli.evidence.facts.bounds import span_with_words_around
from sft_cli.evidence.facts.comparison import FactFinding, says_same
from sft_cli.evidence.facts.fact import Fact, Quantity
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.evidence.facts.negation import clause_around
from sft_cli.evidence.facts.opposites import has_opposite
from sft_cli.evidence.facts.reading import facts_in
from sft_cli.evidence.facts.roots import WIDE_CHARACTER, ContentWord, content_words
from sft_cli.metrics.function_words import FUNCTION_CHARACTERS

VALUES: Final = ("number", "date", "time", "name")  # facts that say which thing or when, or how much
NEAR_SPELLING = 0.9  # of the letters of two words in one order: colour, color
# What a thing has or is at a time, right before the amount: it can have the same amount at another time.
STATE_BEFORE = re.compile(
    r"(?:\b(?:is|are|was|were|been|has|have|had|stands? at|stood at)\s+(?:[a-z]+\s+)?|[有为為是达達])[$€£¥₩₹]?\Z",
    re.IGNORECASE,
)


def without_other_matters(claim: ComparedClaim, findings: list[FactFinding]) -> list[FactFinding]:
    """The findings; facts that a sentence about another thing has in another way are `absent`, and not contradicted.

    The nearest sentence speaks of another thing if it differs from the claim in two facts, if it has another word in
    the place of a word of the claim, if both deny something of different things, or if both have one amount at
    different times.
    """
    differing = [each for each in findings if each.status == "contradicted" and each.fact.kind != "quote"]
    values = [each for each in differing if each.fact.kind in VALUES]
    if not differing:
        return findings
    is_other = (
        len(values) > 1
        or (values and any(each.fact.kind == "negation" and not _is_in_amount(claim, each.fact) for each in differing))
        or has_other_words(claim, differing)
        or (values and values[0].fact.kind != "number" and _denies(claim, values[0], findings))
        or (values and _measures_at_another_time(claim, values[0]))
    )
    if not is_other:
        return findings
    return [FactFinding(replace(each.fact, is_sure=True), "absent") if each in differing else each for each in findings]


def has_other_words(claim: ComparedClaim, differing: Sequence[FactFinding] = ()) -> bool:
    """Whether the nearest sentence has other content words in the place of words of the claim.

    Words of one group of synonyms are equal; opposites, and the facts that differ, are compared by themselves. A word
    that another sentence of the passages has is not in the claim's place of another: `the president` of the sentence
    before.
    """
    if not claim.near:
        return False
    sentence = claim.near[0].sentence
    spans = [*_apart_spans(claim.text, claim.facts), *((each.fact.start, each.fact.end) for each in differing)]
    mine = _unlike(claim.words, sentence.roots, spans)
    mine = [word for word in mine if not has_opposite(word.root, sentence.roots)]
    roots = frozenset(word.root for word in claim.words)
    spans = _apart_spans(sentence.text, sentence.facts)
    spans += [(each.start, each.end) for each in differing if each.sentence is sentence]
    theirs = _unlike(sentence.words, roots, spans)
    return bool(mine) and any(not has_opposite(word.root, roots) for word in theirs)


def _unlike(words: Sequence[ContentWord], roots: frozenset[str], spans: Sequence[tuple[int, int]]) -> list[ContentWord]:
    """The words that are not among the roots and not in the spans.

    A pair of Chinese characters counts if one of them has content and is in none of these, nor in another pair that is
    among the roots. Beside one of these, a pair is not a word: there a character alone is looked for.
    """
    apart = {place for start, end in spans for place in range(start, end)}
    known = apart.union(*(range(word.start, word.end) for word in words if word.root in roots))
    signs = frozenset("".join(roots)) | FUNCTION_CHARACTERS
    unlike = []
    for word in words:
        places = range(word.start, word.end)
        if word.root in roots:
            continue
        if not WIDE_CHARACTER.match(word.root):
            unlike += [word] if known.isdisjoint(places) else []
            continue
        left = signs if not apart.isdisjoint(places) else FUNCTION_CHARACTERS
        if any(place not in known and sign not in left for place, sign in enumerate(word.root, word.start)):
            unlike.append(word)
    return unlike


def _is_in_amount(claim: ComparedClaim, negation: Fact) -> bool:
    """Whether a negation is a word of a bound: 不超过40, no more than 40."""
    amounts = [
        span_with_words_around(claim.text, each.start, each.end) for each in claim.facts if each.kind == "number"
    ]
    return any(start <= negation.start < end for start, end in amounts)


def _apart_spans(text: str, facts: Sequence[Fact]) -> list[tuple[int, int]]:
    """The spans of amounts, times and negations; an amount with the words of its bound and of its rate."""
    return [
        span_with_words_around(text, fact.start, fact.end) if fact.kind == "number" else (fact.start, fact.end)
        for fact in facts
        if _is_apart(fact)
    ]


def _is_apart(fact: Fact) -> bool:
    """Whether a fact is compared by itself; a place in an order says which thing is meant, as a word does."""
    is_order = isinstance(fact.value, Quantity) and fact.value.unit == "ordinal"
    return fact.kind in ("number", "date", "time", "negation") and not is_order


def _denies(claim: ComparedClaim, value: FactFinding, findings: Sequence[FactFinding]) -> bool:
    """Whether claim and sentence both deny something of two values: one planet has no moons, and another has none."""
    start, end = clause_around(claim.text, value.fact.start)
    denied = [each.fact for each in findings if each.fact.kind == "negation" and each.status == "found"]
    return any(start <= fact.start < end for fact in denied)


def _measures_at_another_time(claim: ComparedClaim, value: FactFinding) -> bool:
    """Whether a date differs and an amount that a thing had at that date is the same: sales can be equal twice."""
    if value.fact.kind != "date" or value.sentence is None:
        return False
    amounts = [fact for fact in claim.facts if fact.kind == "number" and STATE_BEFORE.search(claim.text[: fact.start])]
    return any(says_same(fact, other) for fact in amounts for other in value.sentence.values)


def is_other_word(text: str, other: str) -> bool:
    """Whether a part of a sentence has content, and is not another spelling: café and cafe, colour and color."""
    apart = [fact for fact in facts_in(other) if _is_apart(fact)]
    words = [word for word in content_words(other) if not any(each.start <= word.start < each.end for each in apart)]
    mine, theirs = _spelling(text), _spelling(other)
    is_prefixed = mine.endswith(theirs) or theirs.endswith(mine)  # safe and unsafe
    is_near = mine[:1] == theirs[:1] and SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= NEAR_SPELLING
    is_spelling = mine == theirs or (text.isascii() and is_near and not is_prefixed)
    return bool(words) and not is_spelling


def _spelling(text: str) -> str:
    """The letters of a text in one case, without accents."""
    return "".join(sign for sign in folded_letters(text).casefold() if sign.isalnum())
