"""What `sft compare` adds to its table: rows with their texts, and the page with its figures."""

from __future__ import annotations

from typing import Any

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.gates import Outcome
from sft_cli.report.pairs import Pairs
from sft_cli.report.row_settings import ShowsRows
from sft_cli.report.settings import CompareSettings
from sft_cli.report.shown_rows import shown_document, shown_lists, shown_text, texts_of_pairs
from sft_cli.report.texts import TextFile, origin_line, text_files
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError


class RowReport:
    """The rows that --show-worse and --show-better ask for, and where their texts are.

    The texts are read here. `sources` is empty if no flag needs texts, or if a page can have none, which is said.
    """

    def __init__(self, settings: CompareSettings, run: Run, pairs: Pairs, measure: Measure) -> None:
        self.settings, self.run, self.pairs = settings, run, pairs
        self.lists = shown_lists(settings, pairs, measure)
        self.sources: list[TextFile] = []
        if settings.has_shown_rows or settings.has_page:
            self.sources = _sources(settings, run, pairs)
        wanted = {place for rows in self.lists for place in rows.places}
        self.texts = texts_of_pairs(self.sources, pairs, wanted) if wanted else {}

    def text(self, is_markdown: bool) -> str:
        """The lists, below the table; in Markdown as a block of code."""
        text = shown_text(self.lists, self.pairs, self.texts)
        return f"\n```text{text}```\n" if text and is_markdown else text

    def document(self) -> dict[str, Any]:
        """The lists, as keys of --json."""
        return shown_document(self.lists, self.pairs, self.texts)

    def write_page(
        self, measures: list[Measure], comparisons: list[Comparison], draws: Draws, gate: Outcome | None
    ) -> None:
        """Write the page and the figures that the flags ask for; nothing without such a flag."""
        if not self.settings.has_page:
            return
        from sft_cli.report.page.data import Compared
        from sft_cli.report.page.write import write_page

        compared = Compared(
            pairs=self.pairs,
            measures=measures,
            comparisons=comparisons,
            draws=draws,
            by=self.settings.by,
            gate=gate,
            sources=self.sources,
            runs=self.settings.run,
        )
        write_page(self.settings, self.run, compared)


def _sources(settings: ShowsRows, run: Run, pairs: Pairs) -> list[TextFile]:
    try:
        sources = text_files(pairs.files, settings.texts)
    except UserError as error:
        if settings.has_shown_rows:
            raise
        problem, _, hint = str(error).partition("\n")
        run.warn(f"warning: the page has no texts: {problem}")
        run.say(hint)
        return []
    run.say(origin_line(sources))
    return sources
