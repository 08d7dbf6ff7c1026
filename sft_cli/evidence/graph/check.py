"""The verdict of a graph on the triples of a sentence: supported, contradicted or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sft_cli.evidence.graph.link import EntityLinker, fold_name
from sft_cli.evidence.graph.patterns import PatternMatcher, read_patterns
from sft_cli.evidence.graph.store import TripleStore
from sft_cli.evidence.graph.triples import Triple
from sft_cli.run.errors import UserError, shown
from sft_cli.run.ledger import Ledger
from sft_cli.run.writing_systems import NO_WORD_GAPS

GraphVerdict = Literal["supported", "contradicted", "unknown"]
STEPS_TO_BROADER = 2  # from a city to its region to its country


@dataclass(frozen=True)
class FunctionalRule:
    """When a relation has at most one object for each subject (or one subject for each object).

    share: least share of the subjects with one object. least: fewest subjects. With fewer than 100 subjects a share of
    0.99 cannot be distinguished from 1: of 73,090 true triples of CoDEx-S that the graph did not have, 14 were
    contradicted with `least` 5, and none with 100. functional and inverse_functional: relations that the user lists, by
    id or name, whatever their numbers.
    """

    share: float = 0.99
    least: int = 100
    functional: frozenset[str] = field(default_factory=frozenset)
    inverse_functional: frozenset[str] = field(default_factory=frozenset)


def functional_relations(store: TripleStore, rule: FunctionalRule) -> tuple[set[str], set[str]]:
    """The functional relations of a graph, and the inverse-functional ones.

    Raises UserError for a listed relation that the graph does not have.
    """
    facts = store.relations()
    known = store.relation_ids()
    ids = {name: known.get(name) or known.get(fold_name(name)) for name in rule.functional | rule.inverse_functional}
    if unknown := sorted(name for name, known_id in ids.items() if known_id is None):
        raise UserError(
            f"--functional: expected the id or a name of a relation in --knowledge, got {shown(unknown[0])}"
        )
    functional = {
        f.relation for f in facts if f.subjects >= rule.least and f.single_subjects >= rule.share * f.subjects
    }
    inverse = {f.relation for f in facts if f.objects >= rule.least and f.single_objects >= rule.share * f.objects}
    return functional | {str(ids[name]) for name in rule.functional}, inverse | {
        str(ids[name]) for name in rule.inverse_functional
    }


def load_checker(store: TripleStore, paths: Iterable[str], rule: FunctionalRule, ledger: Ledger) -> GraphChecker:
    """The checker of a graph, with the patterns of these files; bad lines of them go to the ledger."""
    relations = store.relation_ids()
    patterns = [pattern for path in paths for pattern in read_patterns(path, relations, ledger)]
    return GraphChecker(store, EntityLinker(store.entity_names()), PatternMatcher(patterns), rule)


class CheckedTriple(NamedTuple):
    """A triple of a sentence, and its verdict.

    subject, object: the names as the sentence has them. start, end: the offsets of the text that says the triple, from
    the first entity to the second. triple: its ids; of an ambiguous name, those that the verdict is of. known: what
    the graph has instead, if it contradicts: triples.
    """

    subject: str
    relation: str
    object: str
    start: int
    end: int
    verdict: GraphVerdict
    triple: Triple
    known: list[Triple]


class GraphChecker:
    """Reads triples from sentences and looks them up in a graph."""

    def __init__(self, store: TripleStore, linker: EntityLinker, matcher: PatternMatcher, rule: FunctionalRule) -> None:
        self.store, self.linker, self.matcher = store, linker, matcher
        self.functional, self.inverse_functional = functional_relations(store, rule)

    def check(self, sentence: str) -> list[CheckedTriple]:
        """The triples that a sentence says, each with its verdict; an empty list if no pattern matches."""
        checked = []
        for subject, relation, object_ in self.matcher.read(sentence, self.linker.find(sentence)):
            start, end = min(subject.start, object_.start), max(subject.end, object_.end)
            names = sentence[subject.start : subject.end], sentence[object_.start : object_.end]
            triples = [Triple(s, relation, o) for s in subject.ids for o in object_.ids]
            verdict = self.verdict(triples, names)
            checked.append(CheckedTriple(names[0], relation, names[1], start, end, *verdict))
        return checked

    def verdict(self, triples: list[Triple], names: tuple[str, str]) -> tuple[GraphVerdict, Triple, list[Triple]]:
        """The verdict on a triple with ambiguous names, the ids that it is of, and what the graph has instead.

        triples: one for each choice of entities; names: those of the sentence. Supported if the graph has one of them.
        Contradicted only if the graph contradicts each of them.
        """
        for triple in triples:
            if self.store.has(triple):
                return "supported", triple, []
        instead = [self.instead_of(triple, names) for triple in triples]
        if all(instead):
            return "contradicted", triples[0], instead[0]
        return "unknown", triples[0], []

    def instead_of(self, triple: Triple, names: tuple[str, str] = ("", "")) -> list[Triple]:
        """The triple of the graph that contradicts a triple which the graph does not have; or an empty list.

        A functional relation contradicts if the graph has exactly one other object for the subject: with several, the
        relation is not functional for this subject. An inverse-functional relation does so by the subject, if the graph
        has no object for the triple's own subject. Values that may be the same or a part of one another do not
        contradict: `dollar` and `Australian dollar`, a city and its country.
        """
        subject, relation, object_ = triple
        have = self.store.objects(subject, relation)
        if have:
            is_other = (
                len(have) == 1 and relation in self.functional and not self._may_agree(have[0], object_, names[1])
            )
            return [Triple(subject, relation, have[0])] if is_other else []
        if relation in self.inverse_functional:
            owners = self.store.subjects(relation, object_)
            if len(owners) == 1 and not self._may_agree(owners[0], subject, names[0]):
                return [Triple(owners[0], relation, object_)]
        return []

    def _may_agree(self, known: str, said: str, name: str) -> bool:
        """Whether two entities may be the same, or one a part of the other; `name`: that of the second in the text."""
        names = [fold_name(alias) for alias in (known, *self.store.aliases(known))]
        spoken = fold_name(name or said)
        if any(_has_words(alias, spoken) or _has_words(spoken, alias) for alias in names):
            return True
        return said in self._broader(known) or known in self._broader(said)

    def _broader(self, entity: str) -> set[str]:
        """The entities that one is reached from through relations with one object, in a few steps."""
        reached: set[str] = set()
        border: Iterable[str] = [entity]
        for _ in range(STEPS_TO_BROADER):
            border = {larger for near in border for larger in self.store.only_objects(near)} - reached
            reached |= border
        return reached


def _has_words(text: str, part: str) -> bool:
    """Whether a name has another in it as whole words; a single Chinese character does not count, except alone."""
    if text == part:
        return True
    if NO_WORD_GAPS.search(part):
        return len(part) > 1 and part in text
    return bool(part) and re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None
