"""The flags of `sft prep` that choose among the rows that are left after all rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag
from sft_cli.run.named import parse_numbers


@dataclass(frozen=True, kw_only=True)
class ChoiceSettings:
    """How many rows are kept, and of which sources."""

    group: ClassVar[str] = "Choice of rows"

    rows: Annotated[int | None, Flag("number of rows to keep", minimum=1, metavar="N", is_usual=True)] = None
    words: Annotated[
        int | None, Flag("largest number of words to keep, in all turns except system turns", minimum=1, metavar="N")
    ] = None
    mix: Annotated[
        list[str],
        Flag(
            "share of a source (a task, or a file without tasks) in the output; sft scales all shares to the sum 1; "
            "repeatable",
            metavar="NAME=SHARE",
        ),
    ] = field(default_factory=list)
    mix_temperature: Annotated[
        float | None,
        Flag(
            "shares of sources ∝ rows^(1/T): T = 1 keeps the proportions, larger T makes them more equal",
            above=0,
            metavar="T",
        ),
    ] = None
    most_per_task: Annotated[int | None, Flag("largest number of rows of each source", minimum=1, metavar="N")] = None

    @property
    def choice_flags(self) -> list[str]:
        """The flags of the choice that are given."""
        given = {
            "--rows": self.rows is not None,
            "--words": self.words is not None,
            "--mix": bool(self.mix),
            "--mix-temperature": self.mix_temperature is not None,
            "--most-per-task": self.most_per_task is not None,
        }
        return [flag for flag, is_given in given.items() if is_given]


def check_choice(settings: ChoiceSettings) -> None:
    """Raise UserError for flags of the choice that contradict each other, or that have no effect."""
    if settings.rows is not None and settings.words is not None:
        raise UserError("--words: expected only one of --rows and --words")
    if settings.mix and settings.mix_temperature is not None:
        raise UserError("--mix-temperature: expected only one of --mix and --mix-temperature")
    if settings.mix_temperature is not None and settings.rows is None and settings.words is None:
        raise UserError("--mix-temperature: expected also the size of the output\nhint: --rows N or --words N")
    shares = parse_numbers("--mix", settings.mix, may_be_zero=True)
    if shares and not any(shares.values()):
        raise UserError("--mix: expected a share above 0, got only zeros")
