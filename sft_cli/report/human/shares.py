"""A share of ratings, such as a win rate, with an interval clustered by prompt and an exact sign test."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sft_cli.report.comparison import Draws
from sft_cli.report.intervals import Interval, resampled_interval, share_interval
from sft_cli.report.statistics import exact_sign_test, resampled

ClusterPoint = tuple[str, float]  # the prompt, and what the rating adds to the share: 0, 0.5 or 1


@dataclass(frozen=True)
class ClusteredShare:
    """A share of `count` ratings of `prompts` prompts. `p` is that of the sign test: is the share 0.5?"""

    value: float | None
    count: int
    prompts: int
    interval: tuple[float, float] | None
    interval_method: str | None
    no_interval: str | None
    p: float | None

    def document(self) -> dict[str, Any]:
        """The share for programs."""
        return asdict(self)


def share_of(points: Iterable[ClusterPoint], draws: Draws) -> ClusteredShare:
    """The mean of points, its interval, and the sign test.

    Ratings of one prompt are one cluster. The interval is Wilson's if each prompt has one rating of 0 or 1, otherwise
    percentiles of a bootstrap of prompts. In the sign test a prompt counts for the side that has more of its points.
    """
    import numpy

    clusters: dict[str, list[float]] = defaultdict(list)
    for prompt, point in points:
        clusters[prompt].append(point)
    sums = numpy.array([[sum(each), len(each)] for each in clusters.values()]).reshape(-1, 2)
    total, count = float(sums[:, 0].sum()), int(sums[:, 1].sum())
    if not count:
        return ClusteredShare(None, 0, 0, None, None, "no ratings", None)
    if all(len(each) == 1 and each[0] in (0, 1) for each in clusters.values()):
        interval = share_interval(total, count, draws.confidence)
    else:
        drawn = resampled(sums, draws.count, draws.seed)
        interval = resampled_interval(drawn[:, 0] / drawn[:, 1], draws.confidence, len(clusters))
    sides = [math.copysign(1, 2 * added - size) for added, size in sums.tolist() if 2 * added != size]
    p = exact_sign_test(sides.count(1), sides.count(-1))
    return ClusteredShare(total / count, count, len(clusters), *interval_parts(interval), p)


def interval_parts(interval: Interval) -> tuple[tuple[float, float] | None, str | None, str | None]:
    """The bounds, the method, and the reason why there are none, as a document has them."""
    return interval.bounds, interval.method or None, interval.missing or None
