"""The flags of `sft prep`: those of the conversion, and those that choose and clean rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.curation import DUPLICATES, REASONING
from sft_cli.curation.choice_settings import ChoiceSettings, check_choice
from sft_cli.curation.filters import FILTERS
from sft_cli.curation.statistics.settings import StatisticsSettings, check_statistics
from sft_cli.data.settings import ConversionSettings
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag
from sft_cli.run.options import read_with_options


@dataclass(frozen=True, kw_only=True)
class CleaningSettings:
    """The flags that drop or change rows, in the order in which they act."""

    group: ClassVar[str] = "Cleaning"

    where: Annotated[
        list[str],
        Flag(
            "keep rows for which this is true: 'len(answer) > 20 and task == \"qa\"'; repeatable",
            metavar="EXPRESSION",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    filter: Annotated[
        list[str],
        Flag(
            f"filter; repeatable; options follow a colon (length:min=3,max=500): {', '.join(FILTERS)}",
            metavar="NAME[:KEY=V]",
            starts="sft_cli.curation.filters:FILTERS",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    decontaminate: Annotated[
        list[str],
        Flag(
            "rows of a test: drop training rows that have their questions or answers, word for word or nearly; "
            "repeatable",
            reads=True,
            metavar="FILE",
            is_usual=True,
        ),
    ] = field(default_factory=list)
    dedup: Annotated[
        str | None,
        Flag(
            "keep one of equal rows; options follow a colon (near:on=answer,least=0.9): " + ", ".join(DUPLICATES),
            metavar="NAME[:KEY=V]",
            starts="sft_cli.curation:DUPLICATES",
            is_usual=True,
        ),
    ] = None
    ledger: Annotated[
        str | None,
        Flag(
            "also write a line for each row that was dropped or changed: rule, reason, place",
            neutral=True,
            metavar="FILE",
            is_usual=True,
        ),
    ] = None
    max_drop: Annotated[
        float | None,
        Flag(
            "exit with code 1 and write no rows if more than this share is dropped",
            minimum=0,
            maximum=1,
            metavar="SHARE",
        ),
    ] = None

    @property
    def cleans(self) -> bool:
        """Whether some rule drops or changes rows."""
        return bool(self.where or self.filter or self.decontaminate or self.dedup)

    @property
    def option_files(self) -> list[str]:
        """The files that options name: they are inputs too."""
        found = [path for text in self.filter for path in read_with_options(text, FILTERS, "--filter")[1].files()]
        return found + (read_with_options(self.dedup, DUPLICATES, "--dedup")[1].files() if self.dedup else [])


@dataclass(frozen=True, kw_only=True)
class PrepSettings(ConversionSettings, CleaningSettings, ChoiceSettings, StatisticsSettings):
    """Flags of `sft prep`."""

    group: ClassVar[str] = "Data"

    reasoning: Annotated[
        str,
        Flag(
            "thoughts of assistant turns: keep all, drop all, or keep those of the last assistant turn",
            choices=REASONING,
            group="Rows",
        ),
    ] = "keep"
    expand_turns: Annotated[
        bool, Flag("write a row for each assistant turn, with the turns before it as the prompt", group="Rows")
    ] = False


def check_cleaning(settings: PrepSettings) -> None:
    """Raise UserError for flags of the cleaning that have no effect, or that need to read the inputs twice."""
    if settings.ledger and settings.out == "-" and settings.ledger == "-":
        raise UserError("--ledger -: expected a file, because the rows are written to stdout")
    if settings.decontaminate and (settings.eval or settings.prompts or settings.ask_questions):
        raise UserError(
            "--decontaminate: has an effect only on rows to learn from, not with --eval, --prompts or --ask-questions"
        )
    for flag, is_given in (("--reasoning", settings.reasoning != "keep"), ("--expand-turns", settings.expand_turns)):
        for name in ("benchmark", "judge", "verifier"):
            if is_given and getattr(settings, name):
                raise UserError(f"{flag}: has no effect with --{name}, whose rows have one answer without thoughts")
    check_statistics(settings)
    check_choice(settings)
    if settings.judge and settings.choice_flags:
        raise UserError(f"{settings.choice_flags[0]}: has no effect with --judge, whose rows belong together in pairs")
