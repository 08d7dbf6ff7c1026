"""How far the numbers in the answers go with the right numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sft_cli.metrics.answers import answer_of
from sft_cli.metrics.arithmetic import share
from sft_cli.metrics.extract import check_rule, last_number, reference_answer
from sft_cli.metrics.labels import ARROW
from sft_cli.metrics.overlap import extract_part, references_of
from sft_cli.metrics.protocol import Metric, Sums, extract_option

if TYPE_CHECKING:
    import numpy as np

MOMENTS = ("x", "y", "xx", "yy", "xy")
PAIR = "pair:"
CONSTANT = 1e-12  # a variance below this share of the mean square is rounding


def number_pair(row: Mapping[str, Any], extract: str) -> tuple[float | None, float] | None:
    """The number of the answer (None if it has none) and the right number; None if the reference has no number.

    The number of a text is its last one.
    """
    references = references_of(row)
    right = last_number(reference_answer(extract, references[0])) if references else None
    if right is None:
        return None
    answer = answer_of(row, extract)
    said = None if answer is None else last_number(answer)
    return None if said is None else float(said), float(right)


def moments(x: float, y: float) -> Sums:
    """The sums of one pair for `pearson`."""
    return {"x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}


def pearson(sums: Mapping[str, Any], count: Any) -> Any:
    """Pearson's correlation of added `moments`: numbers or arrays; NaN if x or y has one value only."""
    varied = []
    for name in ("x", "y"):
        square = sums[name * 2] * count
        variance = square - sums[name] ** 2
        varied.append(variance * (variance > CONSTANT * square))
    return share(sums["xy"] * count - sums["x"] * sums["y"], (varied[0] * varied[1]) ** 0.5)


def pair_sum(x: float, y: float) -> str:
    """The name of the sum that counts a pair."""
    return f"{PAIR}{x!r}{ARROW}{y!r}"


def pairs_of(sums: Mapping[str, Any], prefix: str = "") -> dict[tuple[float, float], Any]:
    """How often each pair is there, from the sums that count pairs."""
    start = prefix + PAIR
    texts = {name.removeprefix(start): count for name, count in sums.items() if name.startswith(start)}
    return {(float(x), float(y)): n for text, n in texts.items() for x, _, y in [text.partition(ARROW)]}


def average_ranks(values: Any) -> np.ndarray:
    """The rank of each value, from 1; equal values have the mean of their ranks. (N,)"""
    import numpy as np

    _, inverse, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse])


def spearman(pairs: Mapping[tuple[float, float], Any]) -> Any:
    """Spearman's correlation from how often each pair (x, y) is there: numbers, or arrays of resamples."""
    import numpy as np

    counts = np.array([np.asarray(count, dtype=float) for count in pairs.values()])
    total = counts.sum(axis=0)
    ranks = []
    for side in (0, 1):
        _, place = np.unique([pair[side] for pair in pairs], return_inverse=True)
        marginal = np.zeros((place.max() + 1, *counts.shape[1:]))
        np.add.at(marginal, place, counts)
        ranks.append((np.cumsum(marginal, axis=0) - (marginal - 1) / 2 - (total + 1) / 2)[place])
    x, y = ranks
    together = {"x": counts * x, "y": counts * y, "xx": counts * x * x, "yy": counts * y * y, "xy": counts * x * y}
    found = pearson({name: values.sum(axis=0) for name, values in together.items()}, total)
    return found if counts.ndim > 1 else float(found)


@dataclass(frozen=True, kw_only=True)
class Correlation(Metric):
    """Pearson's and Spearman's correlation of the numbers in the answers with those of the references.

    The number is the last one of the answer, or of the text that `extract` finds. Answers without a number are left out
    and counted as `unread`, references without one as `no_number`. Equal to scipy's pearsonr and spearmanr.
    """

    name: ClassVar[str] = "correlation"
    primary: ClassVar[str] = "correlation.pearson"
    primary_sums: ClassVar[tuple[str, ...]] = (*MOMENTS, "count")
    missing: ClassVar[str] = "no_number"
    counted: ClassVar[tuple[str, ...]] = ("unread",)
    extract: str = extract_option()

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The moments of the pair, and the pair."""
        pair = number_pair(row, self.extract)
        if pair is None:
            return None
        if pair[0] is None:
            return {"count": 0, "unread": 1}
        return {**moments(pair[0], pair[1]), pair_sum(pair[0], pair[1]): 1, "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Both correlations, from -1 to 1; NaN where they have no meaning."""
        values = {"correlation.pearson": pearson(sums, sums["count"])}
        pairs = pairs_of(sums)
        return {**values, "correlation.spearman": spearman(pairs)} if pairs else values

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Nothing: one row has no correlation."""
        return {}

    def signature_parts(self) -> dict[str, str]:
        """The rule that finds the answer, and what happens without a number."""
        return {**extract_part(self.extract), "number": "last", "unread": "left-out"}
