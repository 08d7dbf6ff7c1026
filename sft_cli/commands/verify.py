"""`sft verify`: what sources say of each claim of an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sft_cli.evidence.verification import POLICIES
from sft_cli.evidence.verification.settings import VerifySettings, check_verify_flags
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError
from sft_cli.run.jsonl import read_jsonl, write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted


def verify(settings: VerifySettings, run: Run) -> None:
    """Check each claim of an answer against its passages, and write the verdicts beside it.

    \b
    Example:
      sft verify a.gen.jsonl -o a.checked.jsonl
      sft verify --knowledge facts.tsv --propose-patterns sentences.jsonl -o patterns.txt
      sft verify a.gen.jsonl --corpus docs/ --policy abstain | sft score - --metric supported-claims

    An answer is split into claims: its sentences, and clauses that state a fact of their own. If the answer is JSON,
    each value is a claim. Each claim is checked against the `context` of the row, and against the passages of --corpus
    or --index that fit it best.
    Numbers with units, dates, names, quotations, citations and negations must all be in the passages, and
    most of the other words.

    --knowledge FILE has facts as triples, and is one more source; --patterns FILE has the sentences that state them. If
    a relation has one object for each subject, such as a capital, a claim with another object is contradicted.

    Passages of one source count once, and so do copies of a passage in several sources. A claim is supported,
    contradicted, disputed (as many sources for it as against it) or not stated. This compares what is written, without
    a model: a claim in other words than its source is often "not stated".

    Every row gets `claims`, with verdict, evidence and facts, and `verification`, the counts. --policy abstain and drop
    change answers with too few supported claims; the answer of the model stays in `original_completion`.
    """
    check_verify_flags(settings)
    from sft_cli.data.rows import refuse_terminal
    from sft_cli.evidence.verification.answer import AnswerVerifier
    from sft_cli.evidence.verification.knowledge import opened_checker, write_patterns

    run.check_output()
    if settings.propose_patterns is not None:
        write_patterns(settings, run)
        return
    refuse_terminal(settings.generations)
    change: Callable[..., dict[str, Any]] = POLICIES.load(settings.policy)
    totals: Counter[str] = Counter()
    with (
        run.publishing(),
        run.output() as sink,
        run.ledger() as ledger,
        _finder(settings, run, ledger) as find,
        opened_checker(settings, run, ledger) as graph,
    ):
        of_sources = ledger.rejected
        verifier = AnswerVerifier(find, settings.claims, graph)
        for checked in _verified(settings, ledger, verifier.verify):
            changed = change(checked, settings.least_supported)
            write_row(sink, changed)
            _count(totals, checked, changed)
    if ledger.rejected > of_sources:
        run.say(f"answers: {counted(ledger.rejected - of_sources, 'bad row')} left out")
    for text in _summary(totals):
        run.say(text)


@contextmanager
def _finder(settings: VerifySettings, run: Run, ledger: Ledger) -> Iterator[Callable[[str], list[Any]] | None]:
    """What finds passages for a claim; None without a corpus."""
    if not settings.corpus and settings.index is None:
        yield None
        return
    from sft_cli.evidence.index.making import open_index

    with open_index(settings, run, ledger) as index:
        yield lambda text: [index.passage(hit.passage) for hit in index.find(text, settings.top_k)]


def _verified(
    settings: VerifySettings, ledger: Ledger, verify_row: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Each row with its verdicts; bad rows go to the ledger."""
    for line, row in islice(read_jsonl(settings.generations), settings.limit):
        try:
            if isinstance(row, FieldError):
                raise row
            if "completion" not in row and settings.claims is None:
                raise FieldError("completion", "expected an answer, got nothing", "sft generate writes answers")
            yield verify_row(row)
        except FieldError as error:
            ledger.reject(f"{settings.generations}:{line}", error, row if isinstance(row, dict) else None)


def _count(totals: Counter[str], checked: dict[str, Any], changed: dict[str, Any]) -> None:
    from sft_cli.evidence.verification.answer import MOST_AMONG_THEMSELVES

    facts = checked["verification"]
    totals.update({name: value for name, value in facts.items() if isinstance(value, int)})
    totals.update({f"kind {name}": value for name, value in facts["kinds"].items()})
    totals["answers"] += 1
    totals["failed"] += checked.get("completion") is None and not checked["claims"]
    totals["without evidence"] += any(entry["check"] == "none" for entry in checked["claims"])
    totals["too long"] += sum(entry["check"] == "too long" for entry in checked["claims"])
    totals["many claims"] += len(checked["claims"]) > MOST_AMONG_THEMSELVES
    totals["changed"] += "original_completion" in changed and "original_completion" not in checked


def _summary(totals: Counter[str]) -> Iterator[str]:
    from sft_cli.evidence.verification.answer import MOST_AMONG_THEMSELVES

    shown = ", ".join(
        f"{totals[name]:,} {name.replace('_', ' ')}" for name in ("supported", "contradicted", "not_stated", "disputed")
    )
    yield f"{counted(totals['answers'], 'answer')}, {counted(totals['claims'], 'claim')}: {shown}"
    for name, text in (
        ("abstained", "without claims, because it says “I don't know”"),
        ("failed", "without a completion: no claims"),
        ("without evidence", "with a claim for which there is no passage"),
        ("many claims", f"with more than {MOST_AMONG_THEMSELVES} claims: the rest are not compared with one another"),
        ("changed", "changed by --policy; the original is in original_completion"),
    ):
        if totals[name]:
            yield f"{counted(totals[name], 'answer')} {text}"
    for name, noun, text in (
        ("kind citation", "citation", "of a passage that is not there or does not support the claim"),
        ("kind logical", "claim", "against an earlier claim of the same answer"),
        ("too long", "claim", "longer than 2,000 characters: not compared; the verdict is “not stated”"),
    ):
        if totals[name]:
            yield f"{counted(totals[name], noun)} {text}"
