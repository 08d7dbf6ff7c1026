"""What `sft compare` adds to its table: rows with their texts, the explanation, and the page with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sft_cli.report.comparison import Comparison, Draws, Measure
from sft_cli.report.comparison_text import Style
from sft_cli.report.gates import Outcome
from sft_cli.report.pairs import Pairs
from sft_cli.report.settings import CompareSettings
from sft_cli.report.shown_rows import shown_document, shown_lists, shown_text, texts_of_pairs
from sft_cli.report.texts import TextFile, origin_line, text_files
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError

if TYPE_CHECKING:
    from sft_cli.report.explain.explanation import Explanation


class RowReport:
    """The rows that --show-worse and --show-better ask for, and where their texts are.

    The texts are read here. `sources` is empty if no flag needs texts, or if a page can have none, which is said.
    """

    def __init__(self, settings: CompareSettings, run: Run, pairs: Pairs, measure: Measure) -> None:
        self.settings, self.run, self.pairs = settings, run, pairs
        self.lists = shown_lists(settings, pairs, measure)
        self.sources: list[TextFile] = []
        if settings.has_texts:
            self.sources = _sources(settings, run, pairs)
        wanted = {place for rows in self.lists for place in rows.places}
        self.texts = texts_of_pairs(self.sources, pairs, wanted) if wanted else {}
        self.explanations: list[Explanation] = []

    def explain(self, measure: Measure, comparisons: list[Comparison]) -> None:
        """Find what the rows that became worse share; nothing without --explain or --suggest."""
        if not self.settings.has_explanation:
            return
        from sft_cli.report.explain.explanation import explain

        self.explanations = explain(self.settings, self.sources, self.pairs, measure, comparisons)

    def text(self, style: Style) -> str:
        """The explanation and the lists, below the table; the lists in Markdown as a block of code."""
        text = shown_text(self.lists, self.pairs, self.texts)
        lists = f"\n```text{text}```\n" if text and style.note else text
        return self._explanation_text(style) + lists

    def _explanation_text(self, style: Style) -> str:
        if not self.explanations:
            return ""
        from sft_cli.report.explain.explanation_text import explanation_text
        from sft_cli.report.explain.suggestions import suggestion_text

        groups = explanation_text(self.explanations, style) if self.settings.explain else ""
        return groups + (suggestion_text(self.explanations, style) if self.settings.suggest else "")

    def document(self) -> dict[str, Any]:
        """The lists, the explanation and the suggestions, as keys of --json."""
        lists = shown_document(self.lists, self.pairs, self.texts)
        if not self.explanations:
            return lists
        from sft_cli.report.explain.suggestions import suggestion_document

        lists["explanations"] = [each.document() for each in self.explanations]
        if self.settings.suggest:
            lists["suggestions"] = [entry for each in self.explanations for entry in suggestion_document(each)]
        return lists

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


def _sources(settings: CompareSettings, run: Run, pairs: Pairs) -> list[TextFile]:
    try:
        sources = text_files(pairs.files, settings.texts)
    except UserError as error:
        if settings.has_shown_rows:
            raise
        problem, _, hint = str(error).partition("\n")
        both = settings.has_page and settings.has_explanation
        where = "page and the explanation have" if both else "page has" if settings.has_page else "explanation has"
        run.warn(f"warning: the {where} no texts: {problem}")
        run.say(hint)
        return []
    run.say(origin_line(sources))
    return sources
