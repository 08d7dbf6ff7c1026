"""The explanation of a comparison: for each file after the base, the groups of the rows that became worse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sft_cli.report.comparison import Comparison, Measure
from sft_cli.report.explain.groups import CauseGroup, cause_groups, examples
from sft_cli.report.explain.looked_at import LookedAt, looked_at, overall
from sft_cli.report.explain.settings import ExplainSettings
from sft_cli.report.explain.training_rows import read_training_rows
from sft_cli.report.pairs import Pairs
from sft_cli.report.shown_rows import texts_of_pairs
from sft_cli.report.texts import TextFile


@dataclass(frozen=True)
class Explanation:
    """The groups of one file, the one that explains most first, and the causes that could not be looked at."""

    rows: LookedAt
    groups: list[CauseGroup]
    missing: dict[str, str]

    @property
    def shown(self) -> list[CauseGroup]:
        """The groups that are broken significantly more often than the rest."""
        return [group for group in self.groups if group.is_shown]

    @property
    def own(self) -> list[CauseGroup]:
        """The shown groups that groups before them do not explain."""
        return [group for group in self.groups if group.is_own]

    @property
    def broken(self) -> int:
        """How many rows became worse by more than the margin."""
        return int(self.rows.broken.sum())

    def document(self) -> dict[str, Any]:
        """The explanation for --json: all groups, also those that are not tested or not significant."""
        return {
            "base": self.rows.labels[0],
            "other": self.rows.labels[1],
            "value": self.rows.measure.value,
            "margin": self.rows.comparison.margin,
            "rows": len(self.rows.places),
            "broken": self.broken,
            "other_samples": self.rows.samples,
            "groups": [self._entry(group) for group in self.groups],
            "not_looked_at": self.missing,
        }

    def _entry(self, group: CauseGroup) -> dict[str, Any]:
        return {
            "cause": group.cause,
            "name": group.name,
            "rows": group.rows,
            "broken": group.broken,
            "share": group.share if group.rows else None,
            "rest_rows": group.rest_rows,
            "rest_broken": group.rest_broken,
            "rest_share": group.rest_share if group.rest_rows else None,
            "interval": group.interval,
            "p": group.p,
            "p_holm": group.p_holm,
            "lift": group.lift,
            "excess": group.excess if group.rest_rows else None,
            "explains": group.explains,
            "not_above": group.not_above,
            "is_shown": group.is_shown,
            "is_own": group.is_own,
            "examples": examples(self.rows, group),
        }


def explain(
    settings: ExplainSettings,
    sources: list[TextFile],
    pairs: Pairs,
    measure: Measure,
    comparisons: Iterable[Comparison],
) -> list[Explanation]:
    """Explain each file after the base by the rows that became worse; sources: the generations, or none.

    Raises UserError for a bad row of --train, and if rows have no value of their own.
    """
    known, looked = list(comparisons), []
    for side in range(1, len(pairs.files)):
        comparison = overall(known, pairs, measure, side)
        places, broken, samples = looked_at(pairs, measure, side, comparison)
        texts = texts_of_pairs(sources, pairs, places) if sources else {}
        looked.append((side, comparison, places, broken, samples, texts))
    trained = None
    if settings.train:
        asked = (text for *_, texts in looked for (side, _), text in texts.items() if side == 0)
        trained = read_training_rows(settings.train, asked)
    found, by = [], getattr(settings, "by", "task")
    for side, comparison, places, broken, samples, texts in looked:
        rows = LookedAt(pairs, side, measure, comparison, by, texts, trained, places, broken, samples)
        found.append(Explanation(rows, *cause_groups(rows, comparison.confidence)))
    return found
