"""`sft prep --stats`: the rows that the rules keep, and their figures as one document."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from sft_cli.curation.choice_settings import ChoiceSettings
from sft_cli.curation.rules import Rules
from sft_cli.curation.semantic_duplicates import OpensEmbedder
from sft_cli.curation.settings import PrepSettings
from sft_cli.curation.sources import SourceNames
from sft_cli.curation.statistics import STATISTICS
from sft_cli.curation.statistics.bounds import findings
from sft_cli.curation.statistics.figure import SeenRow, StatisticsFigures
from sft_cli.curation.statistics.sample import AnswerSample
from sft_cli.curation.statistics.settings import StatisticsSettings
from sft_cli.curation.statistics.tokens import TokenFigures
from sft_cli.data.preparation import Keeps, written_rows
from sft_cli.data.row_rules import RowRules
from sft_cli.data.rows import Row
from sft_cli.run.context import Run
from sft_cli.run.errors import UserError
from sft_cli.run.flags import fields_of
from sft_cli.run.ledger import Ledger


@dataclass
class DataStatistics:
    """All groups of figures, of the rows that are shown to `see`, in any order."""

    groups: dict[str, StatisticsFigures] = field(
        default_factory=lambda: {name: STATISTICS.load(name)() for name in STATISTICS}
    )
    sample: AnswerSample = field(default_factory=AnswerSample)

    def see(self, row: Row, source: str = "") -> None:
        """Take notice of a row."""
        seen = SeenRow(row, source)
        for group in self.groups.values():
            if not group.of_sample:
                group.see(seen)
        self.sample.see(seen)

    def figures(self) -> dict[str, Any]:
        """The values of each group that has some. Call it once, after all rows."""
        texts = self.sample.texts()
        for text in texts:
            seen = SeenRow({"text": text})
            for group in self.groups.values():
                if group.of_sample:
                    group.see(seen)
        found = {name: group.values() for name, group in self.groups.items()}
        return {name: values for name, values in found.items() if values}


@dataclass
class Measuring:
    """The rules of `sft prep`, which do all the rest; each row that they keep is measured."""

    rules: Rules
    statistics: DataStatistics
    sources: SourceNames = field(default_factory=SourceNames)
    is_alone: bool = False  # all rows are measured in this process

    def kept(self, where: str, row: Row, ledger: Ledger) -> Row | None:
        """The row that the rules keep."""
        kept = self.rules.kept(where, row, ledger)
        if kept is not None:
            self.statistics.see(kept, self.sources.of(where, kept))
        return kept

    def __getattr__(self, name: str) -> Any:
        """Everything else is that of the rules."""
        return getattr(self.rules, name)


def input_words(settings: PrepSettings) -> list[str]:
    """The words of a command that reads and cleans the same rows: the inputs and the flags that are given."""
    others = {each.name for each in (*fields_of(StatisticsSettings), *fields_of(ChoiceSettings))}
    words = ["rows.jsonl"] if settings.inputs == ["-"] else list(settings.inputs)
    for each in fields_of(PrepSettings):
        value = getattr(settings, each.name)
        if each.name in others or each.flag.neutral or each.flag.positional or value == each.default:
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [each.option] if item is True else [each.option, str(item)]
    return words


def statistics_of_rows(
    settings: PrepSettings,
    run: Run,
    keeps: Keeps | None,
    opens: OpensEmbedder,
    count: Callable[[Row], int] | None,
) -> tuple[dict[str, Any], Ledger]:
    """The document of the rows that the rules keep, and what happened to the others.

    opens: for --dedup semantic. count: the tokens of a row, if --model is given. Raises UserError if no rows are left.
    """
    rules, statistics = Rules.of(settings, opens), DataStatistics()
    statistics.groups["tokens"] = TokenFigures(count, settings.max_length)
    with contextlib.ExitStack() as stack:
        if settings.ledger:
            rules.book.lines = stack.enter_context(run.side_file(settings.ledger))
        reads = dataclasses.replace(settings, dry_run=True)  # no output for rows
        ledger, problem = written_rows(reads, run, {}, keeps, cast(RowRules, Measuring(rules, statistics)))
        for line in rules.close():
            run.warn(line)
        for line in rules.choice.lines() if rules.choice else []:
            run.say(line)
    if problem:
        raise UserError(problem)
    figures = statistics.figures()
    document = {
        "schema": 1,
        "inputs": settings.inputs,
        "rows": figures["rows"]["rows"],
        "rows_of_the_sample": len(statistics.sample.heap),
        "max_length": settings.max_length,
        "findings": findings(figures, input_words(settings), settings.model or ""),
        "figures": figures,
    }
    return document, ledger
