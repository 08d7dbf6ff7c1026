"""`sft replay-build`: a small sample of old rows, to train on together with new rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sft_cli.data.rows import read_rows
from sft_cli.model.names import check_models
from sft_cli.replay import SELECTORS
from sft_cli.replay.asking import LocatedRows, cost_of, measures_of, open_reader
from sft_cli.replay.budget import Selection
from sft_cli.replay.settings import ReplayBuildSettings, budget_of, check_replay_flags
from sft_cli.replay.summary import summary
from sft_cli.replay.synthesis.writing import Synthesis
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.jsonl import write_row
from sft_cli.run.process import wait_politely
from sft_cli.run.text import counted


def replay_build(settings: ReplayBuildSettings, run: Run) -> None:
    """Choose old rows to replay while a model learns a new task.

    \b
    Example:
      sft replay-build old1.jsonl old2.jsonl --rows 500 -o replay.jsonl
      sft replay-build old.jsonl --fraction 0.05 --select k-means --model runs/old -o replay.jsonl
      sft replay-build old.jsonl --rows 200 --synthesize in-context --model base --relabel-with runs/old -o replay.jsonl
      sft train new.jsonl replay.jsonl --model runs/old -o runs/new

    Every task (the field `task` of the rows) gets an equal share. If a task has fewer rows than its share, the
    other tasks get the difference. --share proportional uses shares in proportion to the rows, --per-task sets the
    number of rows of a task. The choice depends only on the rows and --seed, not on the order of rows or files.
    Rows keep all their fields, get `replay: true`, and stay in the order of the input. The output can be an input
    later, together with rows of the next task.

    One of --rows, --tokens and --fraction sets the size. Rows wait in a temporary file (in the folder of TMPDIR)
    until all rows are read. Every --select other than reservoir keeps all rows in memory.

    --synthesize lets a model write the rows, if the old rows are lost, if there are few, or if you must not keep them.
    """
    wait_politely()
    check_replay_flags(settings)
    budget = budget_of(settings)
    check_models(settings)
    choose: Callable[..., Selection] = SELECTORS.load(settings.selector)
    if not settings.dry_run:
        run.check_output()
    synthesis = None
    reader = open_reader(settings, run) if settings.asks_model and not settings.synthesize else None
    with run.ledger() as ledger:
        rows = LocatedRows(read_rows(settings.old, ledger, settings.limit), ledger)
        if settings.synthesize:
            synthesis = Synthesis(settings, run, ledger)
            written, budget = synthesis.run_on(rows, budget)
            if settings.dry_run:
                return
            rows = LocatedRows(iter(written), ledger)
            reader = open_reader(settings, run) if settings.asks_model else None
        measures = measures_of(reader, settings, ledger) if reader else None
        budget = replace(budget, cost=cost_of(reader, settings, rows, ledger))
        selection = choose(rows, budget, settings.seed, measures)
    if not selection.tasks and not ledger.rejected:
        raise UserError(f"no rows in {settings.inputs}")
    if not settings.dry_run:
        with run.output() as sink:
            for row in selection.rows:
                write_row(sink, {**row, "replay": True})
    if reader and reader.cut:
        run.say(f"{counted(reader.cut, 'row')} longer than the model's context: cut after {reader.context:,} tokens")
    for line in [*ledger.lines(), *summary(selection, budget)]:
        run.say(line)
