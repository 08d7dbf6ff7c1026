"""`sft replay-build`: a small sample of old rows, to train on beside new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from sft_cli.data.rows import Row, read_rows
from sft_cli.data.select import SELECTORS
from sft_cli.data.select.budget import Budget, Selection
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.flags import Common, Flag, ReadsRows
from sft_cli.run.jsonl import write_row
from sft_cli.run.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class ReplayBuildSettings(Common, ReadsRows):
    """Flags of `sft replay-build`."""

    old: Annotated[
        list[str],
        Flag("files of old rows, as sft prep writes them; - is stdin", positional=True, reads=True, metavar="OLD"),
    ] = field(default_factory=lambda: ["-"])
    rows: Annotated[int | None, Flag("how many rows to keep", minimum=1, metavar="N")] = None
    tokens: Annotated[int | None, Flag("how many tokens to keep at most (needs --model)", minimum=1, metavar="N")] = (
        None
    )
    fraction: Annotated[float | None, Flag("which part of all rows to keep", above=0, maximum=1, metavar="F")] = None
    select: Annotated[str, Flag("how rows are chosen", choices=SELECTORS)] = "reservoir"
    model: Annotated[str | None, Flag("whose tokenizer counts for --tokens", reads=True, metavar="NAME")] = None
    seed: Annotated[int, Flag("seed of the choice", metavar="N")] = 0
    dry_run: Annotated[bool, Flag("read and choose, write nothing", neutral=True)] = False


def replay_build(settings: ReplayBuildSettings, run: Run) -> None:
    """Choose old rows to replay while a model learns a new task.

    \b
    Example: sft replay-build old1.jsonl old2.jsonl --rows 500 -o replay.jsonl
             sft train new.jsonl replay.jsonl --model runs/old -o runs/new

    Every task (the rows' `task`) gets an equal share; what a task with few rows leaves goes to the others.
    The choice depends on the rows and --seed alone, not on the order of rows or files. Rows keep all
    they have, gain `replay: true`, and stay in the order of the input.

    One of --rows, --tokens and --fraction says how much. With --fraction, all rows are held in memory until
    the last is read; with the others, about as many per task as are kept in all.
    """
    budget = _budget(settings)
    choose: Callable[..., Selection] = SELECTORS.load(settings.select)
    with run.ledger() as ledger:
        rows = LocatedRows(read_rows(settings.old, ledger, settings.limit))
        if settings.model is not None:
            budget = replace(budget, cost=_token_counter(settings.model, rows, ledger))
        selection = choose(rows, budget, settings.seed)
    if not selection.tasks and not ledger.rejected:
        raise UserError(f"no rows in {', '.join('<stdin>' if path == '-' else path for path in settings.old)}")
    if not settings.dry_run:
        with run.output() as sink:
            for row in selection.rows:
                write_row(sink, {**row, "replay": True})
    for line in [*ledger.lines(), *_table(selection, budget)]:
        run.say(line)


def _budget(settings: ReplayBuildSettings) -> Budget:
    sizes = {"--rows": settings.rows, "--tokens": settings.tokens, "--fraction": settings.fraction}
    given = [flag for flag, value in sizes.items() if value is not None]
    if len(given) != 1:
        raise UserError(
            f"expected one of --rows, --tokens and --fraction, got {' and '.join(given) or 'none of them'}\n"
            "hint: --rows 500"
        )
    if settings.tokens is None:
        if settings.model is not None:
            raise UserError("--model: only --tokens counts with a tokenizer")
        return Budget(settings.rows or 0, settings.fraction)
    if settings.model is None:
        raise UserError("--tokens: needs the tokenizer that counts\nhint: --model NAME")
    return Budget(settings.tokens, unit="tokens")


@dataclass
class LocatedRows:
    """Rows one at a time, and the place of the latest, for what turns out to be wrong with it later."""

    source: Iterator[tuple[str, Row]]
    where: str = ""

    def __iter__(self) -> Iterator[Row]:
        for where, row in self.source:
            self.where = where
            yield row


def _token_counter(model: str, rows: LocatedRows, ledger: Ledger) -> Callable[[Row], int | None]:
    """Counts the tokens of the latest row; a row that the chat template refuses goes to the ledger."""
    from sft_cli.model.encode import count_tokens
    from sft_cli.model.load import load_tokenizer

    tokenizer = load_tokenizer(model)

    def count(row: Row) -> int | None:
        try:
            return count_tokens(tokenizer, row)
        except FieldError as error:
            ledger.reject(rows.where, error, row)
            return None

    return count


def _table(selection: Selection, budget: Budget) -> list[str]:
    """What became of each task, one line each, and the sum."""
    counts = selection.tasks
    lines = [("task", "rows seen", "rows kept", *(["tokens kept"] if budget.unit == "tokens" else []))]
    for name, count in counts.items():
        cells = [name or "(no task)", f"{count.seen:,}", f"{count.kept:,}"]
        lines.append((*cells, *([f"{count.kept_cost:,}"] if budget.unit == "tokens" else [])))
    kept, cost = sum(count.kept for count in counts.values()), sum(count.kept_cost for count in counts.values())
    total = ["in all", f"{sum(count.seen for count in counts.values()):,}", f"{kept:,}"]
    lines.append((*total, *([f"{cost:,} of {selection.total:,}"] if budget.unit == "tokens" else [])))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(_aligned(line, widths)) for line in lines]
    if budget.unit == "rows" and kept < selection.total:
        table.append(f"fewer rows than the {selection.total:,} asked for: all are kept")
    return table


def _aligned(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
