"""Numbers of parts that are names: versions, sections, addresses of computers."""

from __future__ import annotations

import re

from sft_cli.evidence.facts.fact import Fact
from sft_cli.metrics.function_words import FUNCTION_WORDS

CODE_FORMS = (
    r"(?<![\w.,])(?!\d{1,3}(?:\.\d{3})+(?![\d.]))\d+(?:\.\d+){2,}(?![\w]|\.\d)",  # 1.2.3, and not 1.234.567
    r"(?i:\b(?:version|release|section|chapter|article|clause|figure|table)\s|§\s?|版本\s?|章节\s?)(?P<code>\d+\.\d+)"
    r"(?![\w%]|\.\d|\s(?:million|billion|per))",
    r"(?:(?<=[a-z]\s)|\A)(?P<name>[A-Z][A-Za-z]+)\s(?P<code>\d+\.\d+)"
    r"(?=[.,;:)]?(?:\s(?:for|in|on|with|and|or|is|was|has|had|will|to|from)\b|\s*\Z|[,;)]))",  # Python 3.10
)


def codes_in(text: str) -> list[Fact]:
    """Every version, section number and address of a text, as it is written: 3.1 is not 3.10.

    A number with two parts is one only after a word that says so (version, section) or after a name (Python 3.10).
    """
    facts: dict[int, Fact] = {}
    for form in CODE_FORMS:
        for match in re.finditer(form, text):
            if "name" in match.re.groupindex and match["name"].lower() in FUNCTION_WORDS:
                continue
            start, end = match.span("code") if "code" in match.re.groupindex else match.span()
            facts.setdefault(start, Fact("number", start, end, text[start:end]))
    return sorted(facts.values(), key=lambda fact: fact.start)
