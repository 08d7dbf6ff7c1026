"""The rating that a judge gives each answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.extract import last_line
from sft_cli.metrics.plain_text import fold_width
from sft_cli.metrics.protocol import Metric, PartRead, Sums

_NUMBER = r"(\d+(?:\.\d+)?)\s*(?:/\s*(\d+)|分)?"
BRACKETED_RATING = re.compile(rf"(?:\[\[|【)\s*{_NUMBER}\s*(?:\]\]|】)")
LABELLED = re.compile(
    r"(?:(?:my |the )?(?:final |overall )?(?:rating|score)(?: is ?:?|:)|(?:最终)?(?:评分|得分|分数|打分)(?:是|为|:))"
    rf"\s*\[?{_NUMBER}\]?",
    re.IGNORECASE,
)
NUMBER_ALONE = re.compile(_NUMBER)
AROUND_RATING = " \t\n.。*_#"  # what may stand around a rating


def read_rating(answer: str | None, lowest: float, highest: float) -> float | None:
    """The rating that an answer gives; None if there is none on the scale.

    The last number in double brackets counts; without one, a last line such as `Rating: 7`, `Score: 7/10` or
    `评分：7 分`, or an answer of nothing but a number. `4/5` is none on a scale that ends elsewhere.
    """
    text = fold_width(answer or "")
    found = list(BRACKETED_RATING.finditer(text))
    stated = LABELLED.fullmatch((last_line(text) or "").strip(AROUND_RATING)) or NUMBER_ALONE.fullmatch(
        text.strip(AROUND_RATING)
    )
    match = found[-1] if found else stated
    if not match or (match.group(2) and float(match.group(2)) != highest):
        return None
    rating = float(match.group(1))
    return rating if lowest <= rating <= highest else None


@dataclass(frozen=True, kw_only=True)
class JudgeRating(Metric):
    """Mean rating by a judge, on the scale of its prompt; what cannot be read is left out, and counted as `unread`.

    Rows are those of `sft prep --judge rating`, answered by the judge; their ids are those of the generations, so that
    two files of ratings can be compared row by row. `valid` is the share of ratings that can be read.
    """

    name: ClassVar[str] = "judge-rating"
    primary: ClassVar[str] = "judge_rating"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("rating", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "not_judged"
    counted: ClassVar[tuple[str, ...]] = ("unread",)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The rating, or that there is none to be read."""
        judge = row.get("judge")
        if not isinstance(judge, dict) or judge.get("kind") != "rating":
            return None
        rating = read_rating(said(row), judge.get("lowest", 1), judge.get("highest", 10))
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
