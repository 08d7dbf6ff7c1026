"""Where every row went: kept, rejected (and why), dropped. Nothing disappears without a line here."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, TextIO

from sft_cli.run.errors import FieldError, UserError
from sft_cli.run.jsonl import write_row

MOST_SHOWN = 20


class Ledger:
    """Counts rows by what became of them and collects the errors of bad ones.

    With `on_error="stop"` the errors are gathered (up to 20 are shown) and `close` raises them together; with
    `"skip"` each bad row is counted, and written to `rejects` with its reason if a file is given.
    """

    def __init__(self, on_error: str = "stop", rejects: TextIO | None = None, hint: str = "") -> None:
        self.on_error = on_error
        self.rejects = rejects
        self.hint = hint  # instead of those below
        self.cure = ""  # the first that an error names
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self.rejected = 0
        self.kept: int | None = None  # good rows so far, where the reader counts them

    def count(self, what: str, rows: int = 1) -> None:
        """Add rows to a line of the ledger."""
        self.counts[what] += rows

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Record a bad row: `where` is `file:line`."""
        message = f"{where}: {error}"
        self.rejected += 1
        self.cure = self.cure or error.hint
        # Positions differ from row to row; the kind of mistake does not.
        kind = re.sub(r"\[\d+\]", "[]", error.field) or "not a row"
        self.counts[f"rejected: {kind}"] += 1
        if len(self.errors) < MOST_SHOWN:
            self.errors.append(message)
        if self.rejects is not None:
            write_row(self.rejects, {"error": message, "row": raw})

    def error_lines(self) -> list[str]:
        """The first errors, one line each, and a last line with the total if there were more."""
        more = self.rejected - len(self.errors)
        return self.errors + ([f"… and {more} more bad rows"] if more else [])

    def close(self) -> None:
        """Raise UserError with the collected errors if bad rows are to stop the command."""
        if self.rejected and self.on_error == "stop":
            total = f"{self.rejected} bad row{'s' if self.rejected > 1 else ''}"
            # To skip bad rows helps nobody who has no others.
            skip = "" if self.kept == 0 else "--on-error skip --rejects bad.jsonl continues without the bad rows"
            hint = self.hint or self.cure or skip
            raise UserError("\n".join([*self.error_lines(), total, *([f"hint: {hint}"] if hint else [])]))

    def lines(self) -> list[str]:
        """The ledger as text, one `count  what` line each, in the order first counted."""
        width = max((len(f"{count:,}") for count in self.counts.values()), default=1)
        return [f"{count:>{width},}  {what}" for what, count in self.counts.items()]
