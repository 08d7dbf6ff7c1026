"""The rows of `sft prep` after its rules: --ledger says what was dropped, --max-drop when that is too much."""

from __future__ import annotations

import contextlib
from collections import Counter

from sft_cli.curation.rules import Rules
from sft_cli.curation.semantic_duplicates import OpensEmbedder
from sft_cli.curation.settings import PrepSettings
from sft_cli.data.preparation import Keeps, written_rows
from sft_cli.run.context import Run
from sft_cli.run.errors import AnswerIsNo, UserError
from sft_cli.run.ledger import Ledger
from sft_cli.run.text import counted


def cleaned_rows(
    settings: PrepSettings, run: Run, shares: dict[str, float], keeps: Keeps | None, opens: OpensEmbedder
) -> Ledger:
    """Write the rows that the rules keep. Raises AnswerIsNo if more than --max-drop are dropped.

    Raises UserError if no rows are left. --rejects and --ledger are written in both cases. opens: opens the model of
    --dedup semantic.
    """
    rules = Rules.of(settings, opens)
    with contextlib.ExitStack() as stack:
        if not (settings.check or settings.dry_run):
            stack.enter_context(run.publishing())
        if settings.ledger:
            rules.book.lines = stack.enter_context(run.side_file(settings.ledger))
        ledger, problem = written_rows(settings, run, shares, keeps, rules)
        for line in rules.close():
            run.warn(line)
        for line in rules.choice.lines() if rules.choice else []:
            run.say(line)
        if not problem and settings.max_drop is not None and (answer := too_many(settings.max_drop, rules, ledger)):
            run.withholds = True
            ledger.counts = Counter({what.replace("written", "good"): rows for what, rows in ledger.counts.items()})
            raise AnswerIsNo("\n".join([*ledger.lines(), answer]))
    if problem:
        raise UserError(problem)
    return ledger


def too_many(most: float, rules: Rules, ledger: Ledger) -> str:
    """The answer if more than the share `most` of the rows were dropped or rejected; otherwise empty."""
    lost = rules.book.dropped + ledger.rejected
    read = ledger.counts["read"]
    if lost <= most * read:
        return ""
    share = f"{lost:,} of {counted(read, 'row')} dropped ({lost / read:.1%}), more than {most:.1%}"
    return f"--max-drop: {share}; no rows are written"
