"""What `sft replay-build` asks a model about rows: embeddings, losses, numbers of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sft_cli.data.rows import Row, read_rows
from sft_cli.replay.settings import CLUSTERS, ReplayBuildSettings
from sft_cli.run.context import Run
from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.ledger import Ledger

if TYPE_CHECKING:
    from sft_cli.model.embed import RowReader
    from sft_cli.replay.candidates import Measures


@dataclass
class LocatedRows:
    """Rows one at a time, and the place of the latest, for errors that are found later."""

    source: Iterator[tuple[str, Row]]
    ledger: Ledger
    where: str = ""

    def __iter__(self) -> Iterator[Row]:
        for where, row in self.source:
            self.where = where
            yield row
        self.ledger.close()  # if bad rows stop the command, they do it before a model reads the good rows


def open_reader(settings: ReplayBuildSettings, run: Run) -> RowReader:
    """The model for --select."""
    from sft_cli.model.embed import RowReader

    reader = RowReader.open(str(settings.model), settings, settings.quiet)
    if reader.note:
        run.warn(reader.note)
    return reader


def measures_of(reader: RowReader, settings: ReplayBuildSettings, ledger: Ledger) -> Measures:
    """The functions by which the selectors use the model, and the rows of --nearest-to."""
    from sft_cli.replay.candidates import Measures

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


def cost_of(
    reader: RowReader | None, settings: ReplayBuildSettings, rows: LocatedRows, ledger: Ledger
) -> Callable[[Row], int | None]:
    """The cost of the latest row; a row that the chat template refuses goes to the ledger, with the cost None."""
    if reader is None and settings.tokens is None:
        return lambda row: 1
    if reader is not None:
        needs_target = settings.selector.startswith("loss-")
        size: Callable[[Row], int] = lambda row: reader.check(row, needs_target)  # noqa: E731
    else:
        size = token_counter(str(settings.model), settings.chat_template, settings.special_tokens_in_text)

    def cost(row: Row) -> int | None:
        try:
            tokens = size(row)
        except FieldError as error:
            ledger.reject(rows.where, error, row)
            return None
        return 1 if settings.tokens is None else tokens

    return cost


def token_counter(model: str, chat_template: str | None = None, special: bool = False) -> Callable[[Row], int]:
    """Counts the tokens of a row as in training. special: names of special tokens in raw text are such tokens."""
    from sft_cli.encoding.encoder import count_tokens
    from sft_cli.model.load import load_tokenizer

    tokenizer = load_tokenizer(model, chat_template)
    return lambda row: count_tokens(tokenizer, row, special)
