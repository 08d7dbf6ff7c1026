"""Short Chinese parts that a claim has in the place of other ones: names of persons, which no capital shows."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.alignment import ComparedClaim
from sft_cli.evidence.facts.comparison import VERY_NEAR, FactFinding, Status
from sft_cli.evidence.facts.fact import Fact
from sft_cli.evidence.facts.folding import may_be_other_script
from sft_cli.evidence.facts.names import SURNAMES, looks_like_chinese_name
from sft_cli.metrics.function_words import FUNCTION_CHARACTERS
from sft_cli.run.writing_systems import HAN_RANGES

SHORT_PART = re.compile(f"[{HAN_RANGES}]{{1,4}}")
EQUAL_SHARE = 0.9  # of the rest of the claim: with less in common, the part can be a synonym in another sentence
# A person is named after 是 or 由, a mark, or the end of a title or of a word for a relative: 校长, 父亲.
BEFORE_NAME = frozenset(
    "是为為由叫和与與跟被向给給、，：；,:“「（(长長师師家员員者生亲親子弟妹哥姐席理授士官王演夫妻友人"
)


def with_replaced_parts(claim: ComparedClaim, findings: list[FactFinding]) -> list[FactFinding]:
    """The findings, and one for each short Chinese part in the place of another, if the sentences are otherwise equal.

    It is `contradicted` if both parts look like names of persons (李明, 李强 after 是), else `absent`.
    """
    added = [finding for parts in claim.replaced if (finding := _replaced(claim, parts, findings))]
    spans = [(each.fact.start, each.fact.end) for each in added]
    kept = [
        each
        for each in findings
        if each.fact.kind != "word" or not any(a < each.fact.end and each.fact.start < b for a, b in spans)
    ]
    return [*kept, *added]


def _replaced(
    claim: ComparedClaim, parts: tuple[tuple[int, int], tuple[int, int]], findings: list[FactFinding]
) -> FactFinding | None:
    (start, end), (their_start, their_end) = parts
    sentence = claim.near[0].sentence
    mine, theirs = claim.text[start:end], sentence.text[their_start:their_end]
    known = [each for each in findings if each.fact.kind not in ("word", "negation", "quote")]
    if (
        not (SHORT_PART.fullmatch(mine) and SHORT_PART.fullmatch(theirs))
        or FUNCTION_CHARACTERS.issuperset(mine)
        or FUNCTION_CHARACTERS.issuperset(theirs)
        or any(each.fact.start < end and start < each.fact.end for each in known)
        or _has_synonym(claim, start, end)
    ):
        return None
    status: Status = "absent"
    left, right = _around_name(claim.text, start, end), _around_name(sentence.text, their_start, their_end)
    names = claim.text[slice(*left)], sentence.text[slice(*right)]
    is_named = _is_slot(claim.text, left[0]) and all(len(name) <= 3 and looks_like_chinese_name(name) for name in names)
    if is_named:
        (start, end), (their_start, their_end) = left, right
        status = "absent" if may_be_other_script(*names) else "contradicted"
    fact = Fact("name" if is_named else "word", start, end, claim.text[start:end])
    if claim.shares_without(fact)[0] < (VERY_NEAR if is_named else EQUAL_SHARE):
        return None
    return FactFinding(fact, status, sentence, their_start, their_end)


def _around_name(text: str, start: int, end: int) -> tuple[int, int]:
    """The part with the surname before it, or, if it is a surname itself, with the character after it."""
    if start and text[start - 1] in SURNAMES and end - start <= 2 and _is_slot(text, start - 1):
        return start - 1, end
    is_surname = end - start == 1 and text[start] in SURNAMES and SHORT_PART.fullmatch(text[end : end + 1])
    return start, end + bool(is_surname)


def _is_slot(text: str, start: int) -> bool:
    """Whether a person can be named at this place."""
    before = text[:start].rstrip()[-1:]
    return not before or before in BEFORE_NAME


def _has_synonym(claim: ComparedClaim, start: int, end: int) -> bool:
    """Whether the nearest sentence has a synonym of a word of this part."""
    sentence = claim.near[0].sentence
    return any(
        word.start < end and start < word.end and word.root in sentence.roots
        for word in claim.words
        if claim.text[word.start : word.end] not in sentence.text
    )
