"""`sft replay-build`: a small sample of old rows, to train on beside new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sft_cli.commands.early import check_models
from sft_cli.commands.synthesis import Synthesis
from sft_cli.data.rows import Row, read_rows
from sft_cli.data.select import SELECTORS
from sft_cli.data.select.budget import Selection
from sft_cli.data.select.settings import CLUSTERS, ReplayBuildSettings, budget_of, check_flags
from sft_cli.data.select.summary import summary
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import write_row
from sft_cli.run.ledger import Ledger
from sft_cli.run.process import wait_politely
from sft_cli.run.text import counted

if TYPE_CHECKING:
    from sft_cli.data.select.candidates import Measures
    from sft_cli.model.embed import RowReader


def replay_build(settings: ReplayBuildSettings, run: Run) -> None:
    """Choose old rows to replay while a model learns a new task.

    \b
    Example:
      sft replay-build old1.jsonl old2.jsonl --rows 500 -o replay.jsonl
      sft replay-build old.jsonl --fraction 0.05 --select k-means --model runs/old -o replay.jsonl
      sft replay-build old.jsonl --rows 200 --synthesize in-context --model base --relabel-with runs/old -o replay.jsonl
      sft train new.jsonl replay.jsonl --model runs/old -o runs/new

    Every task (the rows' `task`) gets an equal share; what a task with few rows leaves goes to the others.
    --share proportional gives each by its rows instead, --per-task says how many rows of a task.
    The choice depends on the rows and --seed alone, not on the order of rows or files. Rows keep all
    they have, gain `replay: true`, and stay in the order of the input. An output may be an input later, together
    with rows of the next task.

    One of --rows, --tokens and --fraction says how much. Rows wait in a temporary file (in the folder that TMPDIR
    names) until the last is read; with any --select but reservoir all are held in memory.

    --synthesize lets a model write the rows, where the old ones are gone, few, or must not be kept.
    """
    wait_politely()
    check_flags(settings)
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
        measures = _measures(reader, settings, ledger) if reader else None
        budget = replace(budget, cost=_cost(reader, settings, rows, ledger))
        selection = choose(rows, budget, settings.seed, measures)
    if not selection.tasks and not ledger.rejected:
        raise UserError(f"no rows in {settings.inputs}")
    if not settings.dry_run:
        with run.output() as sink:
            for row in selection.rows:
                write_row(sink, {**row, "replay": True})
    if reader and reader.cut:
        run.say(
            f"{counted(reader.cut, 'row')} longer than the model's context, of which it read {reader.context:,} tokens"
        )
    for line in [*ledger.lines(), *summary(selection, budget)]:
        run.say(line)


@dataclass
class LocatedRows:
    """Rows one at a time, and the place of the latest, for what turns out to be wrong with it later."""

    source: Iterator[tuple[str, Row]]
    ledger: Ledger
    where: str = ""

    def __iter__(self) -> Iterator[Row]:
        for where, row in self.source:
            self.where = where
            yield row
        self.ledger.close()  # if bad rows stop the command, they do it before a model reads the good ones


def open_reader(settings: ReplayBuildSettings, run: Run) -> RowReader:
    """The model that --select asks."""
    from sft_cli.model.embed import RowReader

    reader = RowReader.open(str(settings.model), settings, settings.quiet)
    if reader.note:
        run.warn(reader.note)
    return reader


def _measures(reader: RowReader, settings: ReplayBuildSettings, ledger: Ledger) -> Measures:
    """What the selectors ask the model, and the rows of --nearest-to."""
    from sft_cli.data.select.candidates import Measures

    new: list[Row] = []
    for where, row in read_rows([settings.nearest_to], ledger) if settings.nearest_to else ():
        try:
            reader.check(row)
            new.append(row)
        except FieldError as error:
            ledger.reject(where, error, row)
    if settings.nearest_to and not new:
        ledger.close()
        raise UserError(f"--nearest-to: no rows in {settings.nearest_to}")
    return Measures(reader.embeddings, reader.losses, new, settings.clusters or CLUSTERS)


def _cost(
    reader: RowReader | None, settings: ReplayBuildSettings, rows: LocatedRows, ledger: Ledger
) -> Callable[[Row], int | None]:
    """The cost of the latest row; one that the chat template refuses goes to the ledger and costs None."""
    if reader is None and settings.tokens is None:
        return lambda row: 1
    if reader is not None:
        needs_target = settings.selector.startswith("loss-")
        size: Callable[[Row], int] = lambda row: reader.check(row, needs_target)  # noqa: E731
    else:
        size = _token_counter(settings)

    def cost(row: Row) -> int | None:
        try:
            tokens = size(row)
        except FieldError as error:
            ledger.reject(rows.where, error, row)
            return None
        return 1 if settings.tokens is None else tokens

    return cost


def _token_counter(settings: ReplayBuildSettings) -> Callable[[Row], int]:
    from sft_cli.model.encode import count_tokens
    from sft_cli.model.load import load_tokenizer

    tokenizer = load_tokenizer(str(settings.model), settings.chat_template)
    return lambda row: count_tokens(tokenizer, row, settings.special_tokens_in_text)
