"""Whether answers that were cut at the token limit explain a difference."""

from __future__ import annotations

from typing import Any

from sft_cli.report.comparison import Measure
from sft_cli.report.paired_rows import MeasuredPairs
from sft_cli.report.pairs import Pairs

EXPLAINED = 0.5  # share of a difference that goes away with the cut rows


def truncation_lines(pairs: Pairs, measures: list[Measure]) -> list[str]:
    """A warning for each file and value: without the rows that were cut, at least half of the difference is gone."""
    import numpy

    cut = [
        numpy.isin(rows, list(file.cut)) if file.cut else numpy.zeros(len(pairs), dtype=bool)
        for file, rows in zip(pairs.files, pairs.rows, strict=True)
    ]
    lines = []
    for place in range(1, len(pairs.files)):
        is_whole = ~(cut[0] | cut[place])
        if is_whole.all():
            continue
        for measure in measures:
            each = MeasuredPairs.of(pairs, measure)
            before = _gap(each, place, each.is_scored)
            after = _gap(each, place, each.is_scored & is_whole)
            if before is None or after is None or abs(before) <= measure.margin_at(None):
                continue
            if 1 - after / before >= EXPLAINED:
                lines.append(
                    f"warning: {measure.value}: {pairs.files[place].label} has {int(cut[place].sum()):,} answers that "
                    f"were cut at the token limit, {pairs.files[0].label} has {int(cut[0].sum()):,}; without these "
                    f"rows the difference is {after:+.4f}, with them {before:+.4f}"
                )
    return lines


def _gap(each: MeasuredPairs, place: int, chosen: Any) -> float | None:
    """The other file's value minus the base's over the chosen pairs; None without a value."""
    if not chosen.any():
        return None
    base, other = (float(each.measure.statistic(each.sums[side][chosen].sum(axis=0)[None])[0]) for side in (0, place))
    return None if other - base != other - base else other - base
