"""The flags of `sft prep --stats`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag
from sft_cli.run.manifest import input_paths

# Flags of `sft prep` that have no effect where no rows are written.
OF_WRITTEN_ROWS = ("split", "check", "dry_run", "max_drop")


@dataclass(frozen=True, kw_only=True)
class StatisticsSettings:
    """What the rows look like."""

    group: ClassVar[str] = "Statistics"

    stats: Annotated[
        bool,
        Flag(
            "write no rows, but what they look like: lengths, duplicates, phrases, labels, and what it means for "
            "training",
            is_usual=True,
        ),
    ] = False
    json: Annotated[bool, Flag("with --stats: write JSON; later versions only add keys")] = False
    html: Annotated[
        str | None, Flag("with --stats: also write one HTML page with charts", neutral=True, metavar="FILE")
    ] = None
    model: Annotated[
        str | None,
        Flag("with --stats: model whose tokenizer counts tokens", reads=True, is_model=True),
    ] = None
    max_length: Annotated[
        int | None, Flag("with --stats and --model: count rows of more than N tokens", minimum=2, metavar="N")
    ] = None


def check_statistics(settings: StatisticsSettings) -> None:
    """Raise UserError for flags that have no effect with, or without, --stats."""
    given = {
        "--json": settings.json,
        "--html": settings.html,
        "--model": settings.model,
        "--max-length": settings.max_length is not None,
    }
    if not settings.stats:
        for flag in (flag for flag, is_given in given.items() if is_given):
            raise UserError(f"{flag}: has an effect only with --stats")
        return
    for name in OF_WRITTEN_ROWS:
        if getattr(settings, name) not in (None, False):
            raise UserError(f"--{name.replace('_', '-')}: has no effect with --stats, which writes no rows")
    if settings.max_length is not None and settings.model is None:
        raise UserError("--max-length: needs a tokenizer to count tokens\nhint: --model NAME")
    if settings.html:
        others = {Path(path).resolve() for path in [getattr(settings, "out", "-"), *input_paths(settings)]}
        if settings.html == "-" or Path(settings.html).resolve() in others:
            raise UserError(f"--html {settings.html}: expected another file than --out and the inputs, got the same")
