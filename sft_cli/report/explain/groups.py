"""Groups of rows with one cause: how many became worse, compared with the other rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sft_cli.report.explain import CAUSES
from sft_cli.report.explain.looked_at import LookedAt
from sft_cli.report.intervals import FEWEST, separate_shares_interval
from sft_cli.report.statistics import fisher, holm

EXAMPLES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class CauseGroup:
    """Rows with one cause. p is None if the group or the rest has fewer than FEWEST rows: it is not tested then.

    members: which rows are in it. interval: of the share in the group minus the share in the rest. explains: the broken
    rows that the group explains at least, its size times the lower bound of the interval. not_above: its broken rows
    that are in no group before it. is_own: it became worse significantly more often also without the rows of the groups
    before it that are their own; otherwise those explain it.
    """

    cause: str
    name: str
    members: Any
    rows: int
    broken: int
    rest_rows: int
    rest_broken: int
    interval: tuple[float, float] | None = None
    p: float | None = None
    p_holm: float | None = None
    is_shown: bool = False
    is_own: bool = False
    not_above: int = 0

    @property
    def share(self) -> float:
        """The share of its rows that became worse."""
        return self.broken / self.rows if self.rows else 0.0

    @property
    def rest_share(self) -> float:
        """The share of the other rows that became worse."""
        return self.rest_broken / self.rest_rows if self.rest_rows else 0.0

    @property
    def lift(self) -> float | None:
        """How many times as often as the rest; None if no row of the rest became worse."""
        return self.share / self.rest_share if self.rest_broken else None

    @property
    def excess(self) -> float:
        """The broken rows beyond those that the share of the rest would give."""
        return self.broken - self.rows * self.rest_share

    @property
    def explains(self) -> float:
        """Its size times the lower bound of the interval; 0 for a group that is not tested."""
        return self.rows * max(self.interval[0], 0.0) if self.interval else 0.0


def cause_groups(rows: LookedAt, confidence: float) -> tuple[list[CauseGroup], dict[str, str]]:
    """The groups of all causes, the one with the smallest p first; and the causes that cannot be looked at, with why.

    p-values are exact, one-sided, and corrected over all groups (Holm). A group is shown if p is below 1 − confidence.
    """
    import numpy

    groups, missing = [], {}
    for cause in CAUSES:
        found = CAUSES.load(cause)(rows)
        if isinstance(found, str):
            missing[cause] = found
            continue
        for name, members in found.items():
            groups.append(_group(cause, name, numpy.array(members, dtype=bool), rows.broken, confidence))
    tested = [group for group in groups if group.p is not None]
    corrected = dict(zip(map(id, tested), holm([group.p or 0.0 for group in tested]), strict=True))
    groups = [replace(group, p_holm=corrected.get(id(group))) for group in groups]
    groups = [
        replace(group, is_shown=group.p_holm is not None and group.p_holm < 1 - confidence and group.explains > 0)
        for group in groups
    ]
    groups.sort(
        key=lambda group: (not group.is_shown, group.p if group.is_shown else 1.0, -group.explains)
    )  # stable: the order of CAUSES decides ties
    return _ordered(groups, rows.broken, (1 - confidence) / max(len(tested), 1)), missing


def _ordered(groups: list[CauseGroup], broken: Any, largest_p: float) -> list[CauseGroup]:
    """Sorted groups with what each adds to those before it. largest_p: corrected for the number of tested groups."""
    import numpy

    above = numpy.zeros(len(broken), dtype=bool)  # rows of the shown groups before
    explained = above.copy()  # of those that are their own
    ordered = []
    for group in groups:
        left, of_group = ~explained, group.members & ~explained
        inside, outside = int(of_group.sum()), int((left & ~group.members).sum())
        is_own = group.is_shown and min(inside, outside) >= FEWEST
        if is_own:
            counted, inside_counted = int((broken & left).sum()), int((broken & of_group).sum())
            is_own = fisher(inside_counted, inside, counted, inside + outside) < largest_p
        not_above = int((broken & group.members & ~above).sum())
        ordered.append(replace(group, not_above=not_above, is_own=is_own))
        above |= group.members if group.is_shown else False
        explained |= group.members if is_own else False
    return ordered


def _group(cause: str, name: str, members: Any, broken: Any, confidence: float) -> CauseGroup:
    inside, outside = int(members.sum()), int((~members).sum())
    broken_inside, broken_outside = int((broken & members).sum()), int((broken & ~members).sum())
    group = CauseGroup(
        cause=cause,
        name=name,
        members=members,
        rows=inside,
        broken=broken_inside,
        rest_rows=outside,
        rest_broken=broken_outside,
    )
    if min(inside, outside) < FEWEST:
        return group
    interval = separate_shares_interval((broken_inside, inside), (broken_outside, outside), confidence)
    p = fisher(broken_inside, inside, broken_inside + broken_outside, inside + outside)
    return replace(group, interval=interval.bounds, p=p)


def examples(rows: LookedAt, group: CauseGroup) -> list[dict[str, Any]]:
    """The first broken rows of a group: id, sample, and line in the other score file."""
    import numpy

    chosen = numpy.flatnonzero(rows.broken & group.members)[:EXAMPLES]
    places = [rows.places[int(place)] for place in chosen]
    file = rows.pairs.files[rows.side]
    return [
        {**name, "line": int(file.lines[int(rows.pairs.rows[rows.side][place])])}
        for name, place in zip(rows.pairs.names(places), places, strict=True)
    ]
