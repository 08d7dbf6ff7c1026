"""How many claims of the answers are supported, as `sft verify` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import share
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.run.errors import FieldError, shown

# Each value: which sum is divided by which.
SHARES = {
    "supported_claims": ("supported", "claims"),
    "supported_claims.contradicted": ("contradicted", "claims"),
    "supported_claims.not_stated": ("not_stated", "claims"),
    "supported_claims.disputed": ("disputed", "claims"),
    "supported_claims.full": ("full", "with_claims"),
    "supported_claims.abstained": ("abstained", "answers"),
    "supported_claims.citation_precision": ("right_citations", "citations"),
    "supported_claims.logical": ("logical", "answers"),
}
ABOUT_ANSWERS = (".abstained", ".logical")  # values that an answer without claims has
AGAINST = tuple(f"supported_claims.{part}" for part in ("contradicted", "not_stated", "disputed", "logical"))
CLAIM_COUNTS = ("claims", "supported", "contradicted", "not_stated", "disputed")


@dataclass(frozen=True)
class SupportedClaims(Metric):
    """Share of the claims that are supported, over all claims of all answers together.

    Reads the `verification` that `sft verify` wrote. An answer without claims (it abstains, or is empty) is no part of
    the shares of claims, and is counted. `abstained` is the share of answers that abstain, `full` the share of answers
    with claims that are all supported, `logical` the number of claims against an earlier one per answer. Citation
    precision is the share of citations whose passage supports the claim, recall the share of claims with such a one.
    """

    name: ClassVar[str] = "supported-claims"
    primary: ClassVar[str] = "supported_claims"
    primary_sums: ClassVar[tuple[str, ...]] = ("supported", "claims", "count")
    opposite: ClassVar[tuple[str, ...]] = AGAINST
    reads: ClassVar[PartRead] = "all"
    missing: ClassVar[str] = "not_verified"
    counted: ClassVar[tuple[str, ...]] = ("no_claims",)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The counts of an answer; None if the row was not verified."""
        facts = row.get("verification")
        if facts is None:
            return None
        if not isinstance(facts, dict) or not all(isinstance(facts.get(name), int) for name in CLAIM_COUNTS):
            raise FieldError("verification", f"expected the counts that sft verify writes, got {shown(facts)}")
        kinds = facts.get("kinds") or {}
        has_claims = facts["claims"] > 0
        return {
            **{name: float(facts[name]) for name in CLAIM_COUNTS},
            "citations": float(facts.get("citations", 0)),
            "right_citations": float(facts.get("citations", 0) - kinds.get("citation", 0)),
            "cited_claims": float(facts.get("cited_claims", 0)),
            "logical": float(kinds.get("logical", 0)),
            "abstained": float(bool(facts.get("abstained"))),
            "with_claims": float(has_claims),
            "full": float(has_claims and facts["supported"] == facts["claims"]),
            "answers": 1.0,
            "count": float(has_claims),
            **({} if has_claims else {"no_claims": 1.0}),
        }

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The values of an answer; without shares of claims if it has none."""
        values = self.values(sums)
        has_claims = sums["claims"] > 0
        return {
            name: value
            for name, value in values.items()
            if (has_claims or name.endswith(ABOUT_ANSWERS)) and not isnan(value)
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Shares of claims by verdict, of answers fully supported, and of those that abstain; NaN for nothing."""
        values = {
            name: share(sums[top], sums[bottom]) for name, (top, bottom) in SHARES.items() if {top, bottom} <= {*sums}
        }
        if {"citations", "claims", "cited_claims"} <= {*sums}:  # answers without citations were not asked for any
            cited = sums["claims"] * (sums["citations"] > 0)
            values["supported_claims.citation_recall"] = share(sums["cited_claims"], cited)
        return values

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The numbers of claims behind the shares."""
        return {name: int(sums.get(name, 0)) for name in CLAIM_COUNTS}
