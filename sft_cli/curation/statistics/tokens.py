"""How long rows are in tokens of a model, and how many are too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures, Values, quantiles, rows_share
from sft_cli.data.rows import Row
from sft_cli.run.errors import FieldError


@dataclass
class TokenFigures(StatisticsFigures):
    """Tokens of rows, as `sft train` counts them, and rows longer than `max_length`."""

    count: Callable[[Row], int] | None = None
    max_length: int | None = None
    tokens: Counter[int] = field(default_factory=Counter)
    refused: int = 0  # by the chat template

    def see(self, seen: SeenRow) -> None:
        """Count the tokens."""
        if self.count is None:
            return
        try:
            self.tokens[self.count(seen.row)] += 1
        except FieldError:
            self.refused += 1

    def values(self) -> Values:
        """Quantiles, and what does not fit."""
        if self.count is None:
            return {}
        rows = self.tokens.total()
        found: Values = {
            "tokens": sum(size * number for size, number in self.tokens.items()),
            "tokens_of_rows": quantiles(self.tokens),
            "not_accepted_by_the_chat_template": rows_share(self.refused, rows + self.refused),
        }
        if self.max_length is not None:
            long = {size: number for size, number in self.tokens.items() if size > self.max_length}
            over = sum((size - self.max_length) * number for size, number in long.items())
            found["too_long"] = rows_share(sum(long.values()), rows)
            found["tokens_that_do_not_fit"] = {"share": over / found["tokens"] if found["tokens"] else 0.0}
        return found
