"""The flags of `sft compare` that say what the rows that became worse share, and what to try."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from sft_cli.report.row_settings import ShowsRows
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Flag


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(ShowsRows):
    """Flags that explain a drop of the first metric."""

    group: ClassVar[str] = "Explanation"

    explain: Annotated[
        bool, Flag("show what the rows that became worse share: task, length, loops, format, …", is_usual=True)
    ] = False
    suggest: Annotated[bool, Flag("name what to try, with the figure that is the reason", is_usual=True)] = False
    train: Annotated[
        list[str],
        Flag(
            "with --explain or --suggest: training rows of the model, to find rows that it has seen; repeatable",
            reads=True,
            metavar="FILE",
        ),
    ] = field(default_factory=list)

    @property
    def has_explanation(self) -> bool:
        """Whether the rows that became worse are looked at."""
        return self.explain or self.suggest

    @property
    def has_texts(self) -> bool:
        """Whether the texts of rows are read."""
        return super().has_texts or self.has_explanation


def check_explain(settings: ExplainSettings) -> None:
    """Raise UserError for --train without --explain and --suggest, or from stdin beside scores from stdin."""
    if settings.train and not settings.has_explanation:
        raise UserError("--train: has an effect only with --explain or --suggest")
    if "-" in settings.train and "-" in getattr(settings, "scores", []):
        raise UserError("--train -: expected a file, because the scores are read from stdin, got stdin")


def check_no_explain(settings: ExplainSettings) -> None:
    """Raise UserError for flags that have no effect with --forgetting."""
    given = {"--explain": settings.explain, "--suggest": settings.suggest, "--train": settings.train}
    for flag in (flag for flag, value in given.items() if value):
        raise UserError(f"{flag}: has no effect with --forgetting")
