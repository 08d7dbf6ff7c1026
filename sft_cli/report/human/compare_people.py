"""The part of `sft compare` that asks people: writes a blind page, or reads what it exported."""

from __future__ import annotations

from sft_cli.report.human.settings import check_human_flags
from sft_cli.report.settings import CompareSettings
from sft_cli.run.context import Run


def compare_by_people(settings: CompareSettings, run: Run) -> None:
    """Write the page of --blind-page, or report the ratings of --ratings."""
    check_human_flags(settings)
    if settings.blind_page:
        from sft_cli.report.human.blind_page import write_blind_page

        return write_blind_page(settings, run)
    from sft_cli.report.human.compare_ratings import compare_ratings

    return compare_ratings(settings, run)
