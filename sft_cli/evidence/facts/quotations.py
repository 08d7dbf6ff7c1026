"""Text in quotation marks, which the source must have word for word."""

from __future__ import annotations

from sft_cli.evidence.facts.fact import HYPHEN_FORMS, Fact
from sft_cli.evidence.facts.folding import folded_letters
from sft_cli.metrics.groundedness import QUOTED
from sft_cli.metrics.plain_text import collapse_space

MARKS_AT_THE_ENDS = " \t.,;:!?…。，、；：！？"


def quote_facts(text: str) -> list[Fact]:
    """Every quotation of a text, in double marks of any script. Single marks may be apostrophes and are not read."""
    facts = []
    for match in QUOTED.finditer(text):
        group = match.lastindex or 1
        form = quote_form(match[group])
        if form:
            facts.append(Fact("quote", match.start(group), match.end(group), form))
    return facts


def quote_form(text: str) -> str:
    """The normal form of a quotation: usual widths and hyphens, one case and space, no accents, no mark at its ends."""
    return (
        folded_letters(collapse_space(text).translate(HYPHEN_FORMS))
        .casefold()
        .replace("’", "'")
        .strip(MARKS_AT_THE_ENDS)
    )
