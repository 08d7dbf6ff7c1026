"""Which of two answers a judge prefers; each pair is shown in both orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.answers import said
from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.extract import last_line
from sft_cli.metrics.plain_text import fold_width
from sft_cli.metrics.protocol import Metric, PartRead, Sums

_SIDE = r"(?:(?:the )?(?:answer|assistant|response|model|option) ?|(?:回答|答案|助手|选项) ?)?[\"'\[(]?([abc])[\"'\])]?"
_TIE = r"((?:it is |it's )?(?:a )?(?:tie|draw)|neither|平局|平手|不分上下|不分高下|一样好)"
_LABEL = (
    r"(?:(?:so|thus|hence|overall|therefore|in conclusion|因此|所以|综上|总之)[,:]? ?)?"
    r"(?:(?:my |the )?(?:final |overall )?(?:verdict|judge?ment|decision|conclusion|winner|choice|better answer)"
    r"(?: is ?:?|:) ?|(?:最终)?(?:结论|判断|判定|裁决|胜者|选择|更好的回答)(?:是|为|:) ?)?"
)
_WINS = (
    r"(?: (?:is|was) (?:the )?(?:clearly |slightly |much )?(?:better|best|winner)(?: one| answer| response)?"
    r"(?: than .{0,20}?\b[ab])?| wins| ?(?:比(?:回答|答案|助手|选项)? ?[ab] ?)?(?:更好|更优|较好|胜出))?"
)
BRACKETED_VERDICT = re.compile(rf"(?:\[\[|【)\s*(?:{_SIDE}|{_TIE})\s*(?:\]\]|】)", re.IGNORECASE)
STATED = re.compile(rf"{_LABEL}(?:{_SIDE}{_WINS}|{_TIE})", re.IGNORECASE)
AROUND_VERDICT = " \t.。!*_#\"'"  # characters that may be around a line that is a verdict


def read_verdict(answer: str | None) -> str | None:
    """`first`, `second` or `tie`; None if the answer has no verdict.

    The last `[[A]]`, `[[B]]`, `[[C]]` or `[[tie]]` counts. Without these, the last line counts if it is only a verdict:
    `B`, `Verdict: B`, `Answer B is better`, `It is a tie`, `结论：回答 B 更好`, `平局`. Source: the judge prompts of
    Zheng et al. 2023, "Judging LLM-as-a-judge with MT-bench", fig. 5. Its code takes only double brackets, and of
    several letters the first in the alphabet.
    """
    text = fold_width(answer or "")
    matches = list(BRACKETED_VERDICT.finditer(text))
    stated = matches[-1] if matches else STATED.fullmatch((last_line(text) or "").strip(AROUND_VERDICT))
    if not stated:
        return None
    return {"a": "first", "b": "second"}.get((stated.group(1) or "").lower(), "tie")


@dataclass(frozen=True, kw_only=True)
class JudgePairwise(Metric):
    """Share of pairs in which the answer of the second file wins, by a judge that saw each pair in both orders.

    The rows come from `sft prep --judge pairwise`, answered by the judge. A tie is half a win, and so is a verdict that
    cannot be read. `agreement`: among pairs with readable verdicts in both orders, the share whose verdicts are all the
    same. `first`: share of decided verdicts for the answer shown first; 0.5 without a bias. `valid`: share of verdicts
    that can be read.
    """

    name: ClassVar[str] = "judge-pairwise"
    primary: ClassVar[str] = "judge_pairwise.win"
    primary_sums: ClassVar[tuple[str, ...]] = ("win", "count")
    reads: ClassVar[PartRead] = "text"
    missing: ClassVar[str] = "not_judged"
    counted: ClassVar[tuple[str, ...]] = ("one_order",)
    of_samples: ClassVar[bool] = True

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The sums of one pair, from its rows: for each order one, or several if the judge was sampled."""
        shown = [row for row in rows if isinstance(row.get("judge"), dict) and row["judge"].get("kind") == "pairwise"]
        if not shown:
            return None
        winners = [winner_of(row) for row in shown]
        points: dict[str, list[float]] = {}  # for each order
        for row, winner in zip(shown, winners, strict=True):
            points.setdefault(row["judge"]["first"], []).append({"other": 1.0, "base": 0.0}.get(winner or "", 0.5))
        decided = [(row, winner) for row, winner in zip(shown, winners, strict=True) if winner in ("base", "other")]
        can_agree = len(points) == 2 and None not in winners
        sums: Sums = {
            "win": sum(sum(each) / len(each) for each in points.values()) / len(points),
            "verdicts": len(winners),
            "read": len(winners) - winners.count(None),
            "decided": len(decided),
            "for_first": sum(row["judge"]["first"] == winner for row, winner in decided),
            "both": int(can_agree),
            "agree": int(can_agree and len(set(winners)) == 1),
            "count": 1,
        }
        return sums if len(points) == 2 else {**sums, "one_order": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Share of wins, and the measures of how reliable the judge is."""
        values = {"judge_pairwise.win": ratio(sums["win"], sums["count"])}
        parts = {"agreement": ("agree", "both"), "first": ("for_first", "decided"), "valid": ("read", "verdicts")}
        for name, (top, bottom) in parts.items():
            if top in sums:
                values[f"judge_pairwise.{name}"] = share(sums[top], sums[bottom])
        return values

    def signature_parts(self) -> dict[str, str]:
        """The side whose wins count, and the value of a tie."""
        return {"win": "other", "tie": "0.5", "unread": "0.5"}


def winner_of(row: Mapping[str, Any]) -> str | None:
    """`base`, `other` or `tie`; None if the verdict cannot be read."""
    verdict = read_verdict(said(row))
    if verdict in (None, "tie"):
        return verdict
    is_base = (verdict == "first") == (row["judge"]["first"] == "base")
    return "base" if is_base else "other"
