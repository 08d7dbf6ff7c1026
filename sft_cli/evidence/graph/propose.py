"""Patterns from sentences and the triples that they say (distant supervision: Mintz et al., 2009)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sft_cli.evidence.graph.link import EntityLinker, Mention
from sft_cli.evidence.graph.patterns import Pattern, PatternMatcher, is_denied, make_pattern
from sft_cli.evidence.graph.triples import Triple

CLAUSE_SIGN = re.compile(r"[,;:()\[\]\"“”‘«»「」『』《》—–…。、!?，；：！？（）]|\.(?=\s|$)")
FIRST_CONJUNCTION = re.compile(
    r"\s*(?:(?:and|but|that|because|while|whereas|although|though|since|where|when|so|as)\s+"
    r"|因为|但是|但|而且|而|并且|同时|所以|由于|目前|现在|如今|今天|其中)",
    re.IGNORECASE,
)


class Proposal(NamedTuple):
    """A pattern that was found, the number of sentences that it came from, its matches, and the right ones of them."""

    pattern: Pattern
    sentences: int
    matches: int
    right: int

    def line(self) -> str:
        """The pattern as a line of a file of patterns."""
        return f"{self.pattern.relation}: {pattern_text(self.pattern)}"


def pattern_text(pattern: Pattern) -> str:
    """A pattern as it is written in a file, in its normal form."""
    first, second = ("{subject}", "{object}") if pattern.is_subject_first else ("{object}", "{subject}")
    article = "the " if pattern.has_article else ""
    return f"{article}{pattern.before}{first}{pattern.between}{second}{pattern.after}"


def propose_patterns(
    pairs: Iterable[tuple[str, Triple]], linker: EntityLinker, least: int = 2, share: float = 0.8
) -> list[Proposal]:
    """The patterns that are frequent and name one relation, the most frequent first.

    pairs: sentences, each with a triple that it says; a sentence may come again with another triple. A pattern is a
    clause with the two entities as slots. It must come from at least `least` different sentences, and of its matches in
    all sentences at least `share` must be triples of their sentence. Denied sentences and questions are left out.
    """
    said: dict[str, set[Triple]] = defaultdict(set)
    for sentence, triple in pairs:
        said[sentence].add(triple)
    mentions = {sentence: linker.find(sentence) for sentence in said}
    sources: Counter[Pattern] = Counter()
    for sentence, triples in said.items():
        sources.update(set(_patterns_of(sentence, triples, mentions[sentence])))
    frequent = {pattern: number for pattern, number in sources.items() if number >= least}
    matches: Counter[Pattern] = Counter()
    right: Counter[Pattern] = Counter()
    matcher = PatternMatcher(frequent)
    for sentence, triples in said.items():
        for first, second, pattern in matcher.matches(sentence, mentions[sentence]):
            if is_denied(sentence, first.start, second.end):
                continue
            subject, object_ = (first, second) if pattern.is_subject_first else (second, first)
            matches[pattern] += 1
            right[pattern] += any(_is_said(triple, pattern.relation, subject, object_) for triple in triples)
    proposals = [Proposal(p, number, matches[p], right[p]) for p, number in frequent.items()]
    precise = [entry for entry in proposals if entry.matches and entry.right >= share * entry.matches]
    return sorted(precise, key=lambda entry: (-entry.sentences, entry.line()))


def _patterns_of(sentence: str, triples: set[Triple], mentions: list[Mention]) -> Iterator[Pattern]:
    for place, first in enumerate(mentions):
        for second in mentions[place + 1 :]:
            if is_denied(sentence, first.start, second.end):
                continue
            parts = _clause(sentence, first, second)
            if not any(map(str.isalnum, "".join(parts))):
                continue
            for triple in triples:
                if _is_said(triple, triple.relation, first, second):
                    yield make_pattern(triple.relation, parts, True)
                if _is_said(triple, triple.relation, second, first):
                    yield make_pattern(triple.relation, parts, False)


def _is_said(triple: Triple, relation: str, subject: Mention, object_: Mention) -> bool:
    return triple.relation == relation and triple.subject in subject.ids and triple.object in object_.ids


def _clause(sentence: str, first: Mention, second: Mention) -> tuple[str, str, str]:
    """The text of a clause before, between and after two mentions."""
    before, after = sentence[: first.start], sentence[second.end :]
    signs = [match.end() for match in CLAUSE_SIGN.finditer(before)]
    before = before[signs[-1] if signs else 0 :]
    conjunction = FIRST_CONJUNCTION.match(before)
    before = before[conjunction.end() if conjunction else 0 :]
    end = CLAUSE_SIGN.search(after)
    return before.lstrip(), sentence[first.end : second.start], after[: end.start() if end else len(after)].rstrip()
