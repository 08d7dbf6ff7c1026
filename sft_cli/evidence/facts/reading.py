"""All facts of a text."""

from __future__ import annotations

from sft_cli.evidence.facts.citations import citations_in
from sft_cli.evidence.facts.codes import codes_in
from sft_cli.evidence.facts.dates import dates_in
from sft_cli.evidence.facts.fact import Fact, blanked, same_length_widths
from sft_cli.evidence.facts.names import name_facts
from sft_cli.evidence.facts.negation import negations_in
from sft_cli.evidence.facts.quantities import quantities_in
from sft_cli.evidence.facts.quotations import quote_facts
from sft_cli.evidence.facts.times import times_in


def facts_in(text: str) -> list[Fact]:
    """The facts of a text by the place where they start: numbers, dates, times, names, quotes, negation, citations.

    A number of a date or of a citation is not also a number. A name or a negation can be inside a quote.
    """
    facts = citations_in(text)
    rest = blanked(same_length_widths(text), _spans_of(facts))
    for read in (dates_in, codes_in, times_in, quantities_in):
        read_here = read(rest)
        facts += read_here
        rest = blanked(rest, _spans_of(read_here))
    quotes = quote_facts(text)
    # An author or a film with its year, King Kong (1933), has the form of a citation, and is a name too.
    no_names = [fact for fact in facts if not str(fact.value).startswith("author:")]
    names = [
        name for name in name_facts(blanked(text, _spans_of(no_names))) if _place_of_fact(name) not in _spans_of(quotes)
    ]
    facts += [*quotes, *names, *negations_in(text)]
    return sorted(facts, key=lambda fact: (fact.start, fact.end, fact.kind))


def _spans_of(facts: list[Fact]) -> list[tuple[int, int]]:
    return [_place_of_fact(fact) for fact in facts]


def _place_of_fact(fact: Fact) -> tuple[int, int]:
    return fact.start, fact.end
