"""Which sets are nearly equal to a set of another owner: exact, without comparing all pairs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROUNDING = 1e-9


def near_another(sets: Sequence[np.ndarray], owners: Sequence[int], least: float) -> list[bool]:
    """For each set: whether a set of another owner has a Jaccard index |A ∩ B| / |A ∪ B| of at least `least`.

    sets: arrays of different uint64 numbers. Sets with so much in common share one of their rarest members; only such
    pairs are compared. Source: Bayardo et al. 2007, "Scaling up all pairs similarity search" (prefix filtering).
    """
    ranked = _by_rarity(sets)
    alike: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, members in enumerate(ranked):
        alike[members.tobytes()].append(place)
    groups = sorted(alike.values(), key=lambda places: len(ranked[places[0]]))
    owned = [{owners[place] for place in places} for places in groups]
    found = [len(mine) > 1 for mine in owned]
    with_member: defaultdict[int, list[int]] = defaultdict(list)
    for number, places in enumerate(groups):
        members = ranked[places[0]]
        rarest = members[: len(members) - math.ceil(least * len(members) - ROUNDING) + 1].tolist()
        candidates = dict.fromkeys(other for member in rarest for other in with_member[member])
        for other in candidates:
            if (found[number] and found[other]) or owned[number] == owned[other]:
                continue
            if jaccard(members, ranked[groups[other][0]]) >= least - ROUNDING:
                found[number] = found[number] or bool(owned[other] - owned[number])
                found[other] = found[other] or bool(owned[number] - owned[other])
        for member in rarest:
            with_member[member].append(number)
    near = [False] * len(sets)
    for number, places in enumerate(groups):
        for place in places:
            near[place] = found[number]
    return near


def _by_rarity(sets: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The members of each set as ranks, from the member that the fewest sets have; int64, in order."""
    import numpy as np

    if not sets:
        return []
    _, inverse, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    stops = np.cumsum([len(members) for members in sets])[:-1]
    return [np.sort(part) for part in np.split(rank[inverse], stops)]


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """|A ∩ B| / |A ∪ B| of two arrays of different numbers; 1 if both are empty."""
    import numpy as np

    shared = len(np.intersect1d(first, second, assume_unique=True))
    together = len(first) + len(second) - shared
    return shared / together if together else 1.0
