"""Which of two answers a judge prefers, each pair shown in both orders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, Sums

BRACKETED = re.compile(r"(?:\[\[|【)\s*(A|B|C|tie)\s*(?:\]\]|】)", re.IGNORECASE)
TIES = ("c", "tie", "平局", "平手")


def read_verdict(completion: str | None) -> str | None:
    """`first`, `second` or `tie`; None if the completion names none.

    The last `[[A]]`, `[[B]]`, `[[C]]` or `[[tie]]` counts; without one, a completion of nothing else than A, B, C, tie
    or 平局. Source: the judge prompts of Zheng et al. 2023, "Judging LLM-as-a-judge with MT-bench", fig. 5.
    """
    if completion is None:
        return None
    found = BRACKETED.findall(completion)
    word = (found[-1] if found else completion.strip(" \n\t.。*[]")).lower()
    return {"a": "first", "b": "second"}.get(word) or ("tie" if word in TIES else None)


@dataclass(frozen=True, kw_only=True)
class JudgePairwise(Metric):
    """Share of pairs that the second file's answer wins, by a judge that saw each pair in both orders.

    Rows are those of `sft prep --judge pairwise`, answered by the judge. A tie is half a win, and so is a verdict that
    cannot be read. `agreement`: pairs whose two verdicts name the same answer, or both a tie. `first`: share of decided
    verdicts for the answer shown first; 0.5 without a bias. `valid`: share of verdicts that can be read.
    """

    name: ClassVar[str] = "judge-pairwise"
    primary: ClassVar[str] = "judge_pairwise.win"
    primary_sums: ClassVar[tuple[str, ...]] = ("win", "count")
    missing: ClassVar[str] = "not_judged"
    of_samples: ClassVar[bool] = True

    def sample_sums(self, rows: Sequence[Mapping[str, Any]]) -> Sums | None:
        """The sums of one pair, from its rows, one for each order."""
        shown = [row for row in rows if isinstance(row.get("judge"), dict) and row["judge"].get("kind") == "pairwise"]
        if not shown:
            return None
        winners = [winner_of(row) for row in shown]
        read = [winner for winner in winners if winner is not None]
        decided = [(row, winner) for row, winner in zip(shown, winners, strict=True) if winner in ("base", "other")]
        sums: Sums = {
            "win": sum({"other": 1.0, "base": 0.0}.get(winner or "", 0.5) for winner in winners) / len(winners),
            "verdicts": len(winners),
            "read": len(read),
            "decided": len(decided),
            "for_first": sum(row["judge"]["first"] == winner for row, winner in decided),
            "both": int(len(read) == len(shown) == 2),
            "count": 1,
        }
        return {**sums, "agree": int(bool(sums["both"]) and read[0] == read[1])}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Share of wins, and how far the judge can be trusted."""
        values = {"judge_pairwise.win": ratio(sums["win"], sums["count"])}
        parts = {"agreement": ("agree", "both"), "first": ("for_first", "decided"), "valid": ("read", "verdicts")}
        for name, (top, bottom) in parts.items():
            if top in sums:
                values[f"judge_pairwise.{name}"] = ratio(sums[top], sums[bottom])
        return values

    def signature_parts(self) -> dict[str, str]:
        """Whose wins count, and as what a tie does."""
        return {"win": "other", "tie": "0.5", "unread": "0.5"}


def winner_of(row: Mapping[str, Any]) -> str | None:
    """`base`, `other` or `tie`; None if the verdict cannot be read."""
    verdict = read_verdict(row["completion"])
    if verdict in (None, "tie"):
        return verdict
    is_base = (verdict == "first") == (row["judge"]["first"] == "base")
    return "base" if is_base else "other"
