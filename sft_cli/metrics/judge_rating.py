"""The rating that a judge gives each answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, Sums

BRACKETED = re.compile(r"(?:\[\[|【)\s*(\d+(?:\.\d+)?)\s*(?:/\s*\d+\s*)?(?:\]\]|】)")
ALONE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*\.?\s*\Z")


def read_rating(completion: str | None, lowest: float, highest: float) -> float | None:
    """The last number in double brackets, or a completion of nothing but a number; None outside the scale."""
    if completion is None:
        return None
    found, alone = BRACKETED.findall(completion), ALONE.match(completion)
    rating = float(found[-1]) if found else float(alone.group(1)) if alone else None
    return rating if rating is not None and lowest <= rating <= highest else None


@dataclass(frozen=True, kw_only=True)
class JudgeRating(Metric):
    """Mean rating by a judge, on the scale of its prompt; what cannot be read is left out, and counted as `unread`.

    Rows are those of `sft prep --judge rating`, answered by the judge; their ids are those of the generations, so that
    two files of ratings can be compared row by row. `valid` is the share of ratings that can be read.
    """

    name: ClassVar[str] = "judge-rating"
    primary: ClassVar[str] = "judge_rating"
    primary_sums: ClassVar[tuple[str, ...]] = ("rating", "count")
    missing: ClassVar[str] = "not_judged"
    counted: ClassVar[tuple[str, ...]] = ("unread",)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The rating, or that there is none to be read."""
        judge = row.get("judge")
        if not isinstance(judge, dict) or judge.get("kind") != "rating":
            return None
        rating = read_rating(row["completion"], judge.get("lowest", 1), judge.get("highest", 10))
        return {"count": 0, "unread": 1} if rating is None else {"rating": rating, "count": 1, "unread": 0}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The mean, and the share that could be read."""
        values = {"judge_rating": ratio(sums["rating"], sums["count"])}
        if "unread" in sums:
            values["judge_rating.valid"] = ratio(sums["count"], sums["count"] + sums["unread"])
        return values

    def signature_parts(self) -> dict[str, str]:
        """What happens to ratings that cannot be read."""
        return {"unread": "left-out"}
