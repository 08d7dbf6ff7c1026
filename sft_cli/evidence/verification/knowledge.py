"""The knowledge graph of --knowledge: the checker of claims, and patterns proposed from sentences."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sft_cli.evidence.graph.check import FunctionalRule, GraphChecker, load_checker
from sft_cli.evidence.graph.link import EntityLinker
from sft_cli.evidence.graph.propose import propose_patterns
from sft_cli.evidence.graph.store import TripleStore, build_store, reading_notes
from sft_cli.evidence.graph.triples import Triple
from sft_cli.evidence.verification.settings import VerifySettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import read_jsonl
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted


@contextmanager
def opened_store(settings: VerifySettings, ledger: Ledger) -> Iterator[TripleStore]:
    """The triples and names of the flags, in a file that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="sft-graph-") as folder:
        target = Path(folder) / "graph.sqlite"
        store = build_store(settings.knowledge, settings.aliases, target, ledger, settings.sparql)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def opened_checker(settings: VerifySettings, run: Run, ledger: Ledger) -> Iterator[GraphChecker | None]:
    """The checker of --knowledge; None without it. Raises UserError for bad records, unless they are skipped."""
    if not settings.knowledge:
        yield None
        return
    before = ledger.rejected
    with opened_store(settings, ledger) as store:
        rule = FunctionalRule(functional=frozenset(settings.functional))
        checker = load_checker(store, settings.patterns, rule, ledger)
        ledger.close()
        if ledger.rejected > before:
            run.say(f"knowledge: {counted(ledger.rejected - before, 'bad row')} left out")
        for text in reading_notes(ledger):
            run.say(text)
        named = ", ".join(sorted(checker.functional)) or "none (--functional RELATION names them)"
        run.say(f"knowledge: relations with one object for each subject: {named}")
        yield checker


def write_patterns(settings: VerifySettings, run: Run) -> None:
    """Write the patterns of the sentences of --propose-patterns, the most frequent first, one a line."""
    assert settings.propose_patterns is not None
    with run.publishing(), run.output() as sink, run.ledger() as ledger, opened_store(settings, ledger) as store:
        pairs = list(_stated_triples(settings.propose_patterns, ledger))
        ledger.close()
        proposals = propose_patterns(pairs, EntityLinker(store.entity_names()))
        if not proposals:
            raise UserError(
                f"--propose-patterns: {settings.propose_patterns}: no pattern is in at least two sentences\n"
                "hint: the names of subject and object must be in the text and in --knowledge or --aliases"
            )
        for proposal in proposals:
            sink.write(proposal.line() + "\n")
    if ledger.rejected:
        run.say(f"{ledger.total()} left out")
    for text in reading_notes(ledger):
        run.say(text)
    run.say(f"{counted(len(pairs), 'sentence')}, {counted(len(proposals), 'pattern')}")


def _stated_triples(path: str, ledger: Ledger) -> Iterator[tuple[str, Triple]]:
    """(sentence, triple) of each row `{text, subject, relation, object}`."""
    for line, row in read_jsonl(path):
        try:
            if isinstance(row, FieldError):
                raise row
            values = [row.get(name) for name in ("text", "subject", "relation", "object")]
            for name, value in zip(("text", "subject", "relation", "object"), values, strict=True):
                if not isinstance(value, str) or not value.strip():
                    raise FieldError(name, f"expected text, got {shown(value)}")
            yield str(values[0]), Triple(*map(str, values[1:]))
        except FieldError as error:
            ledger.reject(f"{path}:{line}", error, row if isinstance(row, dict) else None)
