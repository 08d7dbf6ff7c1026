"""The work of `sft verify`: sources, graph and models are opened, rows are checked and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sft_cli.evidence.verification.answer import AnswerVerifier
from sft_cli.evidence.verification.calibrating import read_calibration, write_calibration
from sft_cli.evidence.verification.checked_rows import CheckedRows
from sft_cli.evidence.verification.combined import Calibration
from sft_cli.evidence.verification.correction import Corrector
from sft_cli.evidence.verification.knowledge import opened_checker
from sft_cli.evidence.verification.model_check import ModelCheck
from sft_cli.evidence.verification.settings import VerifySettings
from sft_cli.evidence.verification.summary import count_row, summary_lines
from sft_cli.metrics.answers import read_marks
from sft_cli.run.context import Run
from sft_cli.run.jsonl import write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.manifest import input_entry
from sft_cli.run.text import counted


def verify_rows(settings: VerifySettings, run: Run) -> None:
    """Check the rows of the settings, write them, and say what was found."""
    totals: Counter[str] = Counter()
    with (
        run.publishing(),
        run.output() as sink,
        run.ledger() as ledger,
        _finder(settings, run, ledger) as find,
        opened_checker(settings, run, ledger) as graph,
    ):
        of_sources = ledger.rejected
        model = _opened_model(settings, run, _calibration_of(settings))
        verifier = AnswerVerifier(find, settings.claims, graph, model, read_marks(settings.reasoning))
        corrector = Corrector(settings, run, verifier) if settings.policy == "correct" else None
        for checked, changed in CheckedRows(settings, verifier, corrector, ledger):
            write_row(sink, changed)
            count_row(totals, checked, changed)
    if ledger.rejected > of_sources:
        run.say(f"answers: {counted(ledger.rejected - of_sources, 'bad row')} left out")
    _say_what_was_cut(model, run)
    for text in summary_lines(totals, settings.reasoning):
        run.say(text)


def calibrate(settings: VerifySettings, run: Run) -> None:
    """Write thresholds from the labelled claims of --calibrate."""
    model = _opened_model(settings, run, None)
    write_calibration(settings, run, model, _digest(settings))
    _say_what_was_cut(model, run)


def _calibration_of(settings: VerifySettings) -> Calibration | None:
    return None if settings.calibration is None else read_calibration(settings.calibration, _digest(settings))


def _digest(settings: VerifySettings) -> str | None:
    """The hash of the files of the verifier model; its name, if that is no folder; None without a model."""
    name = settings.model or settings.nli
    return None if name is None else str(input_entry(name)["sha256"] or name)


def _opened_model(settings: VerifySettings, run: Run, calibration: Calibration | None) -> ModelCheck:
    """The check by --model or --nli, and by --calibration."""
    if not settings.uses_models:
        return ModelCheck(None, calibration)
    from sft_cli.evidence.verification.stance_models import ChoiceVerifier, NliVerifier

    reader = NliVerifier(settings.nli, settings) if settings.nli else ChoiceVerifier(str(settings.model), settings)
    if reader.note:
        run.warn(reader.note)
    return ModelCheck(reader, calibration)


def _say_what_was_cut(check: ModelCheck, run: Run) -> None:
    if check.model is not None and check.model.cut:
        run.say(
            f"{counted(check.model.cut, 'pair')} of evidence and claim too long for the model: {check.model.about_cut}"
        )


@contextmanager
def _finder(settings: VerifySettings, run: Run, ledger: Ledger) -> Iterator[Callable[[str], list[Any]] | None]:
    """What finds passages for a claim; None without a corpus."""
    if not settings.corpus and settings.index is None:
        yield None
        return
    from sft_cli.evidence.index.making import open_index

    with open_index(settings, run, ledger) as index:
        yield lambda text: [index.passage(hit.passage) for hit in index.find(text, settings.top_k)]
