"""Whether the passages have a fact, another fact in its place, or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from sft_cli.evidence.facts.alignment import ComparedClaim, Evidence, EvidenceSentence
from sft_cli.evidence.facts.date_comparison import Agreement, compare_dates
from sft_cli.evidence.facts.fact import ClockTime, Fact, PartialDate, Quantity, same_length_widths
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.evidence.facts.name_variants import (
    agree_by_initials,
    country_names,
    has_initial,
    initials_of,
    may_be_same_name,
)
from sft_cli.evidence.facts.names import name_form
from sft_cli.evidence.facts.quantity_comparison import compare_quantities
from sft_cli.evidence.facts.quotations import quote_form
from sft_cli.evidence.facts.roots import content_words
from sft_cli.evidence.facts.source_marks import plain_text
from sft_cli.evidence.facts.times import same_time
from sft_cli.evidence.lists import listed_words
from sft_cli.metrics.groundedness import mentions
from sft_cli.metrics.tokenizers import HAS_HAN

Status = Literal["found", "absent", "contradicted"]
NEAR, VERY_NEAR = 0.5, 0.75  # share of the rest of the claim that a sentence must have to speak of the same thing
DEMONYM = re.compile(r"(?:[aeiou]?n|ian|ean|ese|ish|ic|i|s|is|an|al|e|a|y)?\Z")
TITLES = frozenset(listed_words("titles"))


@dataclass(frozen=True)
class FactFinding:
    """What the passages say of one fact of a claim.

    `sentence` and the offsets into it show the same fact (`found`) or the other one (`contradicted`); None and 0 if
    there is neither.
    """

    fact: Fact
    status: Status
    sentence: EvidenceSentence | None = None
    start: int = 0
    end: int = 0

    @property
    def shown(self) -> str:
        """The text of the evidence for this finding, or empty."""
        return self.sentence.text[self.start : self.end] if self.sentence else ""


def find_fact(claim: ComparedClaim, fact: Fact) -> FactFinding:
    """Find a fact of a claim in the nearest sentences, then in all passages."""
    if fact.kind == "citation":
        return _find_citation(fact, claim.evidence)
    if fact.kind == "quote":
        return _find_quote(fact, claim.evidence)
    return _find_name(claim, fact) if fact.kind == "name" else _find_value(claim, fact)


def compare_values(claimed: Fact, stated: Fact) -> Agreement:
    """Whether a number, date or time of the evidence supports that of a claim, leaves it open, or is another one.

    Only facts that answer one question can be `other`: the same kind, and the same unit or parts of a date.
    """
    mine, theirs = claimed.value, stated.value
    if isinstance(mine, Quantity) and isinstance(theirs, Quantity):
        return compare_quantities(mine, theirs)
    if isinstance(mine, PartialDate) and isinstance(theirs, PartialDate):
        return compare_dates(mine, theirs)
    if isinstance(mine, PartialDate) and isinstance(theirs, Quantity):
        return "same" if _is_year_alone(mine) and theirs.low == mine.year else "open"
    if isinstance(mine, Quantity) and isinstance(theirs, PartialDate):
        return "same" if _is_year_alone(theirs) and mine.low == theirs.year else "open"
    if isinstance(mine, ClockTime) and isinstance(theirs, ClockTime):
        return "same" if same_time(mine, theirs) else "other"
    return "same" if mine == theirs else "other" if claimed.kind == stated.kind else "open"


def _is_year_alone(date: PartialDate) -> bool:
    return date.month is None and date.span == 1 and not date.bound


def says_same(claimed: Fact, stated: Fact) -> bool:
    """Whether a fact of the evidence supports a number, a date or a time of a claim."""
    return compare_values(claimed, stated) == "same"


def is_rival(claimed: Fact, stated: Fact) -> bool:
    """Whether a fact of the evidence cannot be true together with that of a claim, and answers one question with it."""
    return compare_values(claimed, stated) == "other"


def _find_value(claim: ComparedClaim, fact: Fact) -> FactFinding:
    """Find a number, a date or a time; each fact of the nearest sentence answers one fact of the claim."""
    others = [other for other in claim.facts if other.kind in ("number", "date", "time") and other is not fact]
    for place, (each, share) in enumerate(zip(claim.near, claim.shares_without(fact), strict=True)):
        if place == 0 and share >= VERY_NEAR and (rival := _replaced_value(claim, fact)):
            return FactFinding(fact, "contradicted", each.sentence, rival.start, rival.end)
        same = [value for value in each.sentence.values if says_same(fact, value)]
        if same and not (_has_bound(fact) and (place or any(is_rival(fact, value) for value in each.sentence.values))):
            return FactFinding(fact, "found", each.sentence, same[0].start, same[0].end)
        free = [value for value in each.sentence.values if not any(says_same(other, value) for other in others)]
        rivals = [value for value in free if is_rival(fact, value)]
        if place == 0 and rivals and share >= NEAR and (share >= VERY_NEAR or not _anywhere(fact, claim.evidence)):
            rival = min(rivals, key=lambda value: abs(value.start - fact.start))
            return FactFinding(fact, "contradicted", each.sentence, rival.start, rival.end)
    if there := _anywhere(fact, claim.evidence):
        return FactFinding(fact, "found", there[0], there[1].start, there[1].end)
    return FactFinding(fact, "absent")


def _replaced_value(claim: ComparedClaim, fact: Fact) -> Fact | None:
    """The other value that the nearest sentence has in the very place of a fact."""
    for (start, end), (their_start, their_end) in claim.replaced:
        if start < fact.end and fact.start < end:
            here = [v for v in claim.near[0].sentence.values if v.start < their_end and their_start < v.end]
            if here and not any(says_same(fact, value) for value in here):
                return next((value for value in here if is_rival(fact, value)), None)
    return None


def _has_bound(fact: Fact) -> bool:
    """Whether many values would support a fact: more than 5, before 1950."""
    return isinstance(fact.value, Quantity | PartialDate) and fact.value.bound not in ("", "about")


def _bound_of(fact: Fact) -> str:
    return fact.value.bound if isinstance(fact.value, Quantity | PartialDate) else ""


def _anywhere(fact: Fact, evidence: Evidence) -> tuple[EvidenceSentence, Fact] | None:
    """Where a passage has the value; a date also in two parts, the year in one sentence, month and day in another.

    A value with a bound must be there with this bound: any number of another sentence could be more than 5.
    """
    for sentence in evidence.sentences:
        for value in sentence.values:
            if says_same(fact, value) and (not _has_bound(fact) or _bound_of(value) == _bound_of(fact)):
                return sentence, value
    date = fact.value
    if isinstance(date, PartialDate) and date.year is not None and date.month is not None and not date.bound:
        year, rest = PartialDate(date.year), PartialDate(None, date.month, date.day)
        parts = [_anywhere(Fact("date", 0, 0, part), evidence) for part in (year, rest)]
        return parts[1] if all(parts) else None
    return None


def _find_name(claim: ComparedClaim, fact: Fact) -> FactFinding:
    name = form = " ".join(_words_of_name(claim.text[fact.start : fact.end]))
    best = claim.near[0].sentence if claim.near else None
    rival = _rival_name(claim, fact)
    if best and rival and is_other_form(name, Evidence([best.text[slice(*rival)]])):
        return FactFinding(fact, "found", best, *rival)
    if best and _has_name(best.form, name) and not rival:
        return FactFinding(fact, "found", best, *_place_of(best.text, claim.text[fact.start : fact.end], form))
    is_there = next((sentence for sentence in claim.evidence.sentences if _has_name(sentence.form, name)), None)
    has_form = is_there is not None or is_other_form(name, claim.evidence)
    share = claim.shares_without(fact)[0] if claim.near else 0.0
    if not has_form and is_part_of_name(name, claim.evidence):
        return FactFinding(fact, "found")
    if best and rival and share >= (VERY_NEAR if has_form else NEAR):
        if may_be_same_name(name, name_form(best.text[slice(*rival)])):
            return FactFinding(replace(fact, is_sure=True), "absent", best, *rival)
        return FactFinding(fact, "contradicted", best, *rival)
    if is_there:
        return FactFinding(fact, "found", is_there, *_place_of(is_there.text, claim.text[fact.start : fact.end], form))
    if has_form or (not fact.is_sure and claim.evidence.has_word(_root_of(name))):
        return FactFinding(fact, "found")
    return FactFinding(fact, "absent")


def _place_of(text: str, *forms: str) -> tuple[int, int]:
    """Where a text has one of the forms of a name, whatever the case; (0, 0) if it has the name in another form."""
    plain, *wanted = (folded_letters(same_length_widths(each)).lower() for each in (text, *forms))
    for form in wanted:
        start = plain.find(form)
        if start >= 0 and len(plain) == len(text):
            return start, start + len(form)
    return 0, 0


def _root_of(name: str) -> str:
    words = content_words(name)
    return words[-1].root if words else ""


def _has_name(text: str, name: str) -> bool:
    """Whether a text has a name; a Chinese name of an institution may begin with characters that are not part of it."""
    form = name_form(name)
    if mentions(text, form):
        return True
    if HAS_HAN.match(form) and "·" not in form:
        return any(len(form) - cut >= 4 and form[cut:] in text for cut in range(1, len(form)))
    return False


def is_other_form(name: str, evidence: Evidence) -> bool:
    """Whether the passages have a name in another form: with initials, as initials, as its nationality or country."""
    words = _words_of_name(name)
    if not words:
        return True
    known = evidence.facts_of("name")
    if not country_names(name).isdisjoint(str(fact.value) for _, fact in known):
        return True
    if len(words) == 1:
        return _is_initials(words[0], evidence) or any(_is_demonym(words[0], text) for text in evidence.folded)
    capitals = initials_of(words).upper()
    written = {sentence.text[fact.start : fact.end].replace(".", "") for sentence, fact in known}
    return (len(capitals) > 1 and capitals in written) or any(
        agree_by_initials(words, _words_of_name(str(fact.value))) for _, fact in known
    )


def is_part_of_name(name: str, evidence: Evidence) -> bool:
    """Whether the passages have a name in part: its last two of three words, or its last one and no other such name."""
    words = _words_of_name(name)
    if len(words) < 2:
        return False
    is_long = len(words) > 2 and not has_initial(words[-2:])
    if is_long and any(mentions(text, " ".join(words[-2:])) for text in evidence.folded):
        return True
    known = [_words_of_name(str(fact.value)) for _, fact in evidence.facts_of("name")]
    for other in known:
        if other[-1:] == words[-1:] and len(other) > 1:
            is_other = has_initial([*words, *other]) and not agree_by_initials(words, other)
            if is_other or not set(other) <= {*words, *TITLES}:
                return False
    return any(mentions(text, words[-1]) for text in evidence.folded)


def _words_of_name(name: str) -> list[str]:
    words = name_form(name).split()
    return [word for word in words if word.rstrip(".") not in TITLES] or words


def _is_initials(word: str, evidence: Evidence) -> bool:
    letters = word.replace(".", "")
    if not 2 <= len(letters) <= 6:
        return False
    return any(initials_of(str(fact.value).split()) == letters for _, fact in evidence.facts_of("name"))


def _is_demonym(word: str, text: str) -> bool:
    for length in range(len(word) - 1, 3, -1):
        stem = word[:length]
        for match in re.finditer(rf"(?<!\w){re.escape(stem)}(\w*)", text):
            is_other = stem + match[1] != word
            if (
                is_other
                and len(match[1]) <= 3
                and len(word) - length <= 3
                and all(map(DEMONYM.match, (match[1], word[length:])))
            ):
                return True
    return False


def _rival_name(claim: ComparedClaim, fact: Fact) -> tuple[int, int] | None:
    """The name that the nearest sentence has in the place of the claim's name."""
    for (start, end), (their_start, their_end) in claim.replaced:
        if start < fact.end and fact.start < end:
            for other in claim.near[0].sentence.of_kind("name"):
                is_here = other.start < their_end and their_start < other.end
                mine, theirs = set(str(fact.value).split()), set(str(other.value).split())
                if is_here and not (mine <= theirs or theirs <= mine):  # Curie is Marie Curie
                    return other.start, other.end
    return None


def _find_quote(fact: Fact, evidence: Evidence) -> FactFinding:
    wanted = str(fact.value)
    for sentence in evidence.sentences:
        if wanted in quote_form(sentence.text):
            return FactFinding(fact, "found", sentence, 0, len(sentence.text))
    if any(wanted in quote_form(plain_text(passage)) for passage in evidence.passages):
        return FactFinding(fact, "found")
    near = evidence.nearest(content_words(wanted))
    is_near = len(content_words(wanted)) >= 3 and near and near[0].share >= VERY_NEAR
    if is_near and near[0].sentence.of_kind("quote"):
        return FactFinding(fact, "contradicted", near[0].sentence, 0, len(near[0].sentence.text))
    return FactFinding(fact, "absent")


def _find_citation(fact: Fact, evidence: Evidence) -> FactFinding:
    """A work (DOI, author and year) is found if a passage names it."""
    kind, _, value = str(fact.value).partition(":")
    for sentence, other in evidence.facts_of("citation"):
        if other.value == fact.value:
            return FactFinding(fact, "found", sentence, other.start, other.end)
    author, _, year = value.rpartition(" ")
    work = re.escape(value) if kind != "author" else rf"{re.escape(author)}\b.{{0,40}}\b{year}"
    is_there = any(re.search(work, text) for text in evidence.folded)
    return FactFinding(fact, "found" if is_there else "absent")
