"""The flags of `sft verify`, and the checks of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from sft_cli.evidence.settings import SearchesCorpus, check_cut
from sft_cli.evidence.verification.policy import POLICIES
from sft_cli.run.errors import UserError
from sft_cli.run.flags import Common, Flag, ReadsRows


@dataclass(frozen=True, kw_only=True)
class VerifySettings(Common, ReadsRows, SearchesCorpus):
    """Flags of `sft verify`."""

    group: ClassVar[str] = "Verification"

    generations: Annotated[
        str, Flag("file that sft generate wrote; - is stdin", positional=True, reads=True, metavar="GENERATIONS")
    ] = "-"
    top_k: Annotated[
        int, Flag("with --corpus or --index: largest number of passages for each claim", minimum=1, metavar="N")
    ] = 5
    claims: Annotated[
        str | None,
        Flag("field with a list of claims to check [default: the sentences of the completion]", metavar="FIELD"),
    ] = None
    policy: Annotated[
        str,
        Flag(
            "for an answer with too few supported claims: only say so (flag), answer “I don't know” (abstain), "
            "or remove the other claims (drop)",
            choices=POLICIES,
        ),
    ] = "flag"
    least_supported: Annotated[
        float,
        Flag("with --policy: smallest share of supported claims of an answer that stays", minimum=0, maximum=1),
    ] = 1.0


def check_verify_flags(settings: VerifySettings) -> None:
    """Raise UserError for flags that do not work together."""
    check_cut(settings)
    if settings.policy == "flag" and settings.least_supported != 1.0:
        raise UserError("--least-supported: has an effect only with --policy abstain or drop")
    if settings.claims is not None and settings.policy == "drop":
        raise UserError("--policy drop: removes claims from the completion, which --claims does not read")
