"""The rows that an explanation looks at: which became worse, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sft_cli.report.comparison import Comparison, Measure
from sft_cli.report.explain.training_rows import TrainingRows
from sft_cli.report.paired_rows import MeasuredPairs, no_row_values
from sft_cli.report.pairs import Pairs
from sft_cli.report.shown_rows import Texts
from sft_cli.report.texts import RowTexts

# For each group of a cause, which rows are in it; or the reason why the cause cannot be looked at.
Found = dict[str, list[bool]] | str


@dataclass(frozen=True)
class LookedAt:
    """Rows of two files, the base and the one at `side`. places: the numbers of their pairs, one for each prompt.

    broken: which of them became worse by more than the margin, (rows,). samples: how many rows were left out, because
    another row of the prompt has a larger drop.
    """

    pairs: Pairs
    side: int
    measure: Measure
    comparison: Comparison
    by: str
    texts: Texts
    trained: TrainingRows | None
    places: list[int]
    broken: Any
    samples: int

    @property
    def labels(self) -> tuple[str, str]:
        """The names of the base and of the other file."""
        return self.pairs.files[0].label, self.pairs.files[self.side].label

    @cached_property
    def both(self) -> list[tuple[RowTexts, RowTexts]]:
        """The texts of the base and of the other file for each row; empty if there are none."""
        if not self.texts:
            return []
        return [(self.texts[0, place], self.texts[self.side, place]) for place in self.places]

    def newly(self, is_so: Callable[[RowTexts], bool]) -> list[bool]:
        """The rows for which something is so in the other file and not in the base."""
        return [is_so(other) and not is_so(base) for base, other in self.both]


def looked_at(pairs: Pairs, measure: Measure, side: int, comparison: Comparison) -> tuple[list[int], Any, int]:
    """The pairs to look at, which of them became worse, and how many rows were left out.

    Each prompt counts once, by its row with the largest drop: rows of one prompt are not independent.
    Raises UserError if no row has a value of its own.
    """
    import numpy

    measured = MeasuredPairs.of(pairs, measure)
    gains = (measured.values[side] - measured.values[0]) * (1 if measure.higher_is_better else -1)
    known = numpy.flatnonzero(~numpy.isnan(gains) & measured.is_scored)
    if not len(known):
        raise no_row_values("--explain, --suggest", measure)
    worst_first = known[numpy.argsort(gains[known], kind="stable")]
    _, firsts = numpy.unique(pairs.clusters[worst_first], return_index=True)
    chosen = numpy.sort(worst_first[firsts])
    return chosen.tolist(), gains[chosen] < -comparison.margin, len(known) - len(chosen)


def overall(comparisons: Iterable[Comparison], pairs: Pairs, measure: Measure, side: int) -> Comparison:
    """The comparison of all rows of a file with the base; raises UserError if no row counts."""
    labels = pairs.files[0].label, pairs.files[side].label
    for each in comparisons:
        if each.value == measure.value and each.group is None and (each.base, each.other) == labels:
            return each
    raise no_row_values("--explain, --suggest", measure)
