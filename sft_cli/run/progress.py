"""Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """A progress display for `total` units, or an unknown number (0); a context manager.

    On a terminal it is a rich bar with the fields given to `update` and the time left. Elsewhere it prints a plain
    line at most every 30 seconds, and one at the end if the total is known. `done` units were finished before.
    """

    def __init__(self, what: str, total: int, unit: str, quiet: bool = False, done: int = 0) -> None:
        self.what, self.total, self.unit, self.quiet = what, total, unit, quiet
        self.done = self.first = done
        self.started = self.last_line = time.monotonic()
        self.text = ""
        self.printed: tuple[int, str] | None = None  # the text of the latest plain line
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        if not self.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=12),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
                TextColumn("ETA"),
                TimeRemainingColumn(),
            )
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(self.what, total=self.total or None, completed=self.first, text="")
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()
        if error[0] is None and not self.quiet and self.total and self.text and self.printed != (self.done, self.text):
            self._print()

    def update(self, done: int, fields: dict[str, float]) -> None:
        """Show `done` units and the given fields (`{"loss": 1.25}`), as they are now."""
        self.done = done
        self.text = "  ".join(f"{name} {shown_number(value)}" for name, value in fields.items())
        if self.bar is not None:
            self.bar.update(self.task, completed=done, text=self.text)
        elif not self.quiet and time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self._print()

    def _print(self) -> None:
        self.last_line, self.printed = time.monotonic(), (self.done, self.text)
        print(self._line(), file=sys.stderr)

    def _line(self) -> str:
        seconds = time.monotonic() - self.started
        done = self.done - self.first
        left = seconds / done * (self.total - self.done) if done and self.total else 0.0
        ending = f", about {left:.0f} s left" if left >= 1 else ""
        of_all = f"/{self.total}" if self.total else ""
        return f"{self.what}: {self.unit} {self.done}{of_all}  {self.text}  {seconds:.0f} s{ending}"


def shown_number(value: float) -> str:
    """A number as progress shows it: four significant digits, without zeros at the end."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
