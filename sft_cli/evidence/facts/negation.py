"""Negation: the words that deny, and the clauses that they deny."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

from sft_cli.evidence.facts.fact import Fact, same_length_widths
from sft_cli.evidence.facts.phrases import phrase_pattern
from sft_cli.evidence.facts.roots import ContentWord, content_words
from sft_cli.metrics.tokenizers import HAS_HAN

ENGLISH_CUE = re.compile(
    r"\bno longer\b|"
    r"\b(?:not|no|never|neither|nor|none|nobody|nothing|nowhere|without|cannot|hardly|scarcely|barely|unable|lacks?|lacked"
    r"|lacking|fail(?:s|ed|ing)? to"
    r"|refus(?:e|es|ed|ing) to|dont|doesnt|didnt|isnt|wasnt|cant|wont)\b(?!-)|\b\w{1,12}n['’]t\b",
    re.IGNORECASE,
)
NO_ENGLISH_CUE = re.compile(
    r"not only|not just|not merely|no\.? ?\d|no doubt|nothing but|no (?:less|more|fewer) than|not to mention|no matter|"
    r"whether or not|or not\b",
    re.IGNORECASE,
)
CHINESE_CUE = re.compile(
    "并非|並非|并不是|並不是|没有|沒有|不是|不再|无法|無法|从未|從未|未曾|尚未|毫无|毫無|绝非|絕非|[不没沒无無未非否]|[莫勿休]要|别再"
)
NO_CHINESE_CUE = re.compile(
    "不[同少断斷久过過仅僅但只论論管料免妨如等丹列良良锈鏽]|不得不|不能不|无不|無不|不可不|无[论論数數线線锡錫机機产產疑名]|無[論數線錫機產疑名]|非[常洲凡]|"
    "除非|未[来來婚]|否[则則决決认認定]|[是能可会會]否|莫[斯非]|没准|不得了|差不多|来不及|了不起|对不起|對不起|不错|不錯|不仅|非[法裔金]|无[限关]|並不只"
)
CLAUSE_END = re.compile(
    r"[.;:!?。；：！？\n]|[,，](?!\d)|\s[-–—]\s|——|"
    r"\b(?:but|although|though|whereas|while|because|however|which|who)\b|但是?|然而|虽然|雖然|因为|因為|而且|并且|不过|不過",
    re.IGNORECASE,
)

DENIAL = phrase_pattern("denials")
CHINESE_PARTICLE = re.compile("已经|已經|曾经|曾經|仍然|依然|[了过過着著是有已曾仍还還]")


def negations_in(text: str) -> list[Fact]:
    """Every negation of a text, in order. The normal form is the clause that it denies (its scope).

    A phrase that denies the clause after it (`It is a myth that`) is one negation.
    """
    plain = same_length_widths(text)
    clauses = clauses_of(plain)
    starts = [start for start, _ in clauses]
    facts = []
    for first, last in _cues(plain):
        start, end = clauses[max(0, bisect_right(starts, first) - 1)]
        facts.append(Fact("negation", first, last, text[start:end].strip()))
    return facts


@lru_cache(maxsize=20_000)
def words_without_negations(text: str) -> tuple[ContentWord, ...]:
    """The content words of a text without its negations, so that a sentence and its denial have the same words.

    From Chinese, the characters of aspect, 是 and 有 are also removed: 没有批准 and 批准了 differ only in them.
    """
    plain = same_length_widths(text)
    removed = [(match.start(), match.end()) for match in CHINESE_PARTICLE.finditer(plain)]
    removed += [*_cues(plain), *_later_words(plain)]
    marks = list(plain)
    for start, end in removed:
        marks[start:end] = ["" if HAS_HAN.match(sign) else " " for sign in plain[start:end]]
    places = [place for place, sign in enumerate(marks) if sign]
    words = content_words("".join(marks))
    return tuple(ContentWord(word.root, places[word.start], places[word.end - 1] + 1) for word in words)


def _cues(plain: str) -> list[tuple[int, int]]:
    """The places of the words and phrases that deny, in order."""
    denials = [match.span() for match in DENIAL.finditer(plain)]
    skipped = {place for span in [*denials, *_later_words(plain)] for place in range(*span)}
    for pattern in (NO_ENGLISH_CUE, NO_CHINESE_CUE):
        skipped.update(place for match in pattern.finditer(plain) for place in range(*match.span()))
    cues = [match.span() for pattern in (ENGLISH_CUE, CHINESE_CUE) for match in pattern.finditer(plain)]
    return sorted([*denials, *(cue for cue in cues if cue[0] not in skipped)])


def _later_words(plain: str) -> list[tuple[int, int]]:
    """The places of the last words of phrases that have a clause in the middle: The claim that … `is false`."""
    return [match.span(match.lastindex) for match in DENIAL.finditer(plain) if match.lastindex]


def clause_around(text: str, place: int) -> tuple[int, int]:
    """The offsets of the clause that a place of a text is in."""
    clauses = clauses_of(text)
    return next(
        (clause for clause in reversed(clauses) if clause[0] <= place), clauses[0] if clauses else (0, len(text))
    )


def clauses_of(text: str) -> list[tuple[int, int]]:
    """The offsets of the clauses of a text that are not blank, in order."""
    ends = [match.span() for match in CLAUSE_END.finditer(text)]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(text)]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if text[start:stop].strip()]
