"""What happened to every row: kept, rejected (and why), dropped. No row disappears without a line here."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

from sft_cli.run.errors import FieldError, UserError, shown
from sft_cli.run.jsonl import write_row
from sft_cli.run.text import counted

LONGEST_RAW = 10_000  # characters of a rejected row that is not JSON

MOST_CAUSES_SHOWN = 20  # causes that are shown
SINGLY = 3  # up to this many rows of one cause have a line each; more have one line: the first, and two places


@dataclass
class Cause:
    """Rows with the same mistake: numbers, messages and places of the first rows, and the number of all."""

    messages: list[tuple[int, str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    rows: int = 0

    def lines(self) -> list[tuple[int, str]]:
        """One line for each of a few rows, or one line for many; each with the number of its first bad row."""
        if self.rows <= SINGLY:
            return self.messages
        file = self.places[0].rpartition(":")[0]
        here = all(place.rpartition(":")[0] == file for place in self.places)
        others = [place.rpartition(":")[2] if here else place for place in self.places[1:]]
        noun = "lines " if here else ""
        more = "" if self.rows == len(self.places) else ", …"
        number, message = self.messages[0]
        return [(number, f"{message} (and {self.rows - 1:,} more like it: {noun}{', '.join(others)}{more})")]


class Ledger:
    """Counts rows by what happened to them, and collects the errors of bad rows.

    With `on_error="stop"` it collects the errors (rows with the same mistake together; up to 20 mistakes are shown)
    and `close` raises them. With `"skip"` it counts each bad row, and writes it to `rejects`, if given, with the
    reason.
    """

    def __init__(self, on_error: str = "stop", rejects: TextIO | None = None, hint: str = "") -> None:
        self.on_error = on_error
        self.rejects = rejects
        self.hint = hint  # replaces `cure` and the hint to skip
        self.cure = ""  # the first hint of an error
        self.may_skip = True  # whether the user may leave out the bad rows
        self.counts: Counter[str] = Counter()
        self.causes: dict[tuple[str, str], Cause] = {}
        self.rejected = 0
        self.kept: int | None = None  # number of good rows, if the reader counts them

    def count(self, what: str, rows: int = 1) -> None:
        """Add rows to a line of the ledger."""
        self.counts[what] += rows

    def reject(self, where: str, error: FieldError, raw: Any = None) -> None:
        """Record a bad row: `where` is `file:line`."""
        message = f"{where}: {error}"
        self.rejected += 1
        self.cure = self.cure or error.hint
        self.may_skip = self.may_skip and error.may_skip
        # Positions are different in each row; the kind of mistake is the same.
        name = re.sub(r"\[\d+\]", "[]", error.field)
        self.counts[f"rejected: {name or 'not a row'}"] += 1
        self._remember((name, _expectation(error)), where, message)
        if self.rejects is not None:
            try:
                write_row(self.rejects, {"error": message, "row": raw})
            except FieldError:  # JSON has no form for it; that may be its mistake
                write_row(self.rejects, {"error": message, "row": shown(raw, LONGEST_RAW)})

    def _remember(self, kind: tuple[str, str], where: str, message: str) -> None:
        if len(self.causes) >= MOST_CAUSES_SHOWN and kind not in self.causes:
            return
        cause = self.causes.setdefault(kind, Cause())
        cause.rows += 1
        if cause.rows <= SINGLY:
            cause.messages.append((self.rejected, message))
            cause.places.append(where)

    def error_lines(self) -> list[str]:
        """The errors by kind of mistake; a last line has the number of bad rows of further kinds."""
        more = self.rejected - sum(cause.rows for cause in self.causes.values())
        lines = [line for _, line in sorted(line for cause in self.causes.values() for line in cause.lines())]
        return lines + ([f"… and {counted(more, 'more bad row')} with other errors"] if more else [])

    def close(self) -> None:
        """Raise UserError with the collected errors, unless bad rows are skipped."""
        if self.rejected and self.on_error == "stop":
            # If all rows are bad, it does not help to skip them.
            can_skip = self.may_skip and self.kept != 0
            skip = "--on-error skip --rejects bad.jsonl continues without the bad rows" if can_skip else ""
            hints = [f"hint: {hint}" for hint in ([self.hint] if self.hint else [self.cure, skip]) if hint]
            raise UserError("\n".join([*self.error_lines(), self.total(), *hints]))

    def total(self) -> str:
        """`1 bad row`, `2,048 bad rows`."""
        return counted(self.rejected, "bad row")

    def lines(self) -> list[str]:
        """The ledger as text: a line `count  what` for each entry, in the order of their first count."""
        width = max((len(f"{count:,}") for count in self.counts.values()), default=1)
        return [f"{count:>{width},}  {what}" for what, count in self.counts.items()]


def _expectation(error: FieldError) -> str:
    """The expected part of an error, without the part that was found; if it is not a row, also its type."""
    return error.problem.partition(", got " if error.field else ": ")[0]
