"""The rating of each answer by a judge."""

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
AROUND_RATING = " \t\n.。*_#"  # characters that may be around a rating


def read_rating(answer: str | None, lowest: float, highest: float) -> float | None:
    """The rating in an answer; None if there is no rating on the scale.

    The last number in double brackets counts. Without it, a last line such as `Rating: 7`, `Score: 7/10` or `评分：7
    分` counts, or an answer that is only a number. `4/5` is not a rating on a scale that does not end at 5.
    """
    text = fold_width(answer or "")
    matches = list(BRACKETED_RATING.finditer(text))
    stated = LABELLED.fullmatch((last_line(text) or "").strip(AROUND_RATING)) or NUMBER_ALONE.fullmatch(
        text.strip(AROUND_RATING)
    )
    match = matches[-1] if matches else stated
    if not match or (match.group(2) and float(match.group(2)) != highest):
        return None
    rating = float(match.group(1))
    return rating if lowest <= rating <= highest else None


@dataclass(frozen=True, kw_only=True)
class JudgeRating(Metric):
    """Mean rating by a judge, on the scale of its prompt; unreadable ratings are left out and counted as `unread`.

    The rows come from `sft prep --judge rating`, answered by the judge. Their ids are those of the generations, so two
    files of ratings can be compared row by row. `valid` is the share of ratings that can be read.
    """

    name: ClassVar[str] = "judge-rating"
    primary: ClassVar[str] = "judge_rating"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("rating", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "not_judged"
    counted: ClassVar[tuple[str, ...]] = ("unread",)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The rating, or the fact that it cannot be read."""
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
