"""The flags of `sft compare` for human judgement, and which of them go together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, fields_of

PAGE_LANGUAGES = ("en", "zh")  # of the page
WITH_PAGE = ("scores", "blind_page", "key", "criteria", "repeats", "page_pairs", "page_language", "seed")
WITH_RATINGS = ("scores", "ratings", "key", "draws", "confidence", "seed", "json", "markdown")


@dataclass(frozen=True, kw_only=True)
class HumanSettings:
    """The flags of `sft compare` for people who judge answers."""

    group: ClassVar[str] = "Human judgement"

    blind_page: Annotated[
        str | None,
        Flag(
            "write an HTML page on which people judge the completions of generation files without seeing their names; "
            "needs --key",
            metavar="FILE",
        ),
    ] = None
    key: Annotated[
        str | None,
        Flag(
            "the key of a blind page, which names the systems: --blind-page writes it, --ratings reads it",
            reads=True,
            may_be_new=True,
            metavar="FILE",
        ),
    ] = None
    criteria: Annotated[
        str | None,
        Flag(
            "with --blind-page: a TOML or JSON file of what to judge: name, question, guideline, scale",
            reads=True,
            metavar="FILE",
        ),
    ] = None
    repeats: Annotated[
        float,
        Flag(
            "with --blind-page: share of rows that are shown twice, the second time with the sides exchanged",
            minimum=0,
            maximum=0.5,
            metavar="SHARE",
        ),
    ] = 0.05
    page_pairs: Annotated[
        bool, Flag("with --blind-page and three or more files: show two answers at a time instead of a ranking")
    ] = False
    page_language: Annotated[
        str, Flag("with --blind-page: language in which the page starts; it has a switch", choices=PAGE_LANGUAGES)
    ] = "en"
    ratings: Annotated[
        bool,
        Flag("each file has ratings that a blind page exported, or verdicts of a judge model; needs --key"),
    ] = False


def check_human_flags(settings: Any) -> None:
    """Raise UserError for flags that have no effect with --blind-page or --ratings, and for a missing --key."""
    if settings.blind_page and settings.ratings:
        raise UserError("--blind-page, --ratings: expected only one of them")
    mode, known = ("--blind-page", WITH_PAGE) if settings.blind_page else ("--ratings", WITH_RATINGS)
    common = {field.name for field in dataclasses.fields(Common)}
    without = {"out", "skip_if_current"} if settings.blind_page else set()
    for field in fields_of(type(settings)):
        has_effect = field.name in known or field.name in common - without
        if not has_effect and getattr(settings, field.name) != field.default:
            raise UserError(f"{field.option}: has no effect with {mode}")
    if not settings.key:
        raise UserError(f"--key: {mode} needs the file that names the systems\nhint: --key key.json")


def check_no_human_flags(settings: Any) -> None:
    """Raise UserError for a flag that only --blind-page or --ratings reads."""
    for field in fields_of(HumanSettings):
        if getattr(settings, field.name) != field.default:
            modes = "--blind-page" if field.flag.help.startswith("with --blind-page") else "--blind-page or --ratings"
            raise UserError(f"{field.option}: has an effect only with {modes}")
