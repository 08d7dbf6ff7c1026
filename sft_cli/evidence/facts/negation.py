"""Negation: the words that deny, and the clauses that they deny."""

from __future__ import annotations

import re
from bisect import bisect_right

from sft_cli.evidence.facts.fact import Fact, same_length_widths

ENGLISH_CUE = re.compile(
    r"\b(?:not|no|never|neither|nor|none|nobody|nothing|nowhere|without|cannot|hardly|scarcely|barely|unable|lacks?|lacked|"
    r"lacking|fail(?:s|ed|ing)? to"
    r"|refus(?:e|es|ed|ing) to|dont|doesnt|didnt|isnt|wasnt|cant|wont)\b(?!-)|\b\w{1,12}n['’]t\b",
    re.IGNORECASE,
)
NO_ENGLISH_CUE = re.compile(
    r"not only|not just|not merely|no\.? ?\d|no doubt|nothing but|no (?:less|more|fewer) than|not to mention|no matter|"
    r"whether or not|or not\b",
    re.IGNORECASE,
)
CHINESE_CUE = re.compile(
    "并非|並非|没有|沒有|不是|从未|從未|未曾|毫无|毫無|绝非|絕非|[不没沒无無未非否]|[莫勿休]要|别再"
)
NO_CHINESE_CUE = re.compile(
    "不[同少断斷久过過仅僅但只论論管料免妨如等丹列良良锈鏽]|不得不|不能不|无不|無不|不可不|无[论論数數线線锡錫机機产產疑名]|無[論數線錫機產疑名]|非[常洲凡]|"
    "除非|未[来來婚]|否[则則]|[是能可会會]否|莫[斯非]|没准|不得了|差不多|来不及|了不起|对不起|對不起|不错|不錯|不仅|非[法裔金]|无[限关]|並不只"
)
CLAUSE_END = re.compile(
    r"[.;:!?。；：！？\n]|[,，](?!\d)|\s[-–—]\s|——|"
    r"\b(?:but|although|though|whereas|while|because|however|which|who)\b|但是?|然而|虽然|雖然|因为|因為|而且|并且|不过|不過",
    re.IGNORECASE,
)


def negations_in(text: str) -> list[Fact]:
    """Every negation of a text, in order. The normal form is the clause that it denies (its scope)."""
    plain = same_length_widths(text)
    skipped: set[int] = set()
    for pattern in (NO_ENGLISH_CUE, NO_CHINESE_CUE):
        skipped.update(place for match in pattern.finditer(plain) for place in range(*match.span()))
    cues = sorted([*ENGLISH_CUE.finditer(plain), *CHINESE_CUE.finditer(plain)], key=lambda match: match.start())
    clauses = clauses_of(plain)
    starts = [start for start, _ in clauses]
    facts = []
    for match in cues:
        if match.start() not in skipped:
            start, end = clauses[max(0, bisect_right(starts, match.start()) - 1)]
            facts.append(Fact("negation", match.start(), match.end(), text[start:end].strip()))
    return facts


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
