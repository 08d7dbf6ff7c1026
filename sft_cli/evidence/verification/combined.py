"""One verdict from what the fact check and a verifier model say of a claim and a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sft_cli.evidence.calibration import platt_probability
from sft_cli.evidence.facts.check import ClaimCheck, Verdict


class Stance(NamedTuple):
    """The probabilities that a verifier model gives, from 0 to 1, together 1."""

    supported: float
    contradicted: float
    not_stated: float


@dataclass(frozen=True)
class Thresholds:
    """A claim is supported if its score is at least `supported`.

    Otherwise it is contradicted if the model's probability for that is at least `contradicted`.
    """

    supported: float = 0.5
    contradicted: float = 0.5


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and the slope and offset of the probability that a claim is supported. model: its files' hash."""

    thresholds: Thresholds
    slope: float
    offset: float
    model: str | None

    def probability(self, score: float) -> float:
        """The probability that a claim with this score is supported."""
        return platt_probability(score, self.slope, self.offset)


def combined_score(check: ClaimCheck, stance: Stance | None) -> float:
    """From 0 to 1: the score of the facts; with a model, its probability of support, less for facts that do not fit."""
    return check.score if stance is None else stance.supported * check.fact_factor


def combined_verdict(check: ClaimCheck, stance: Stance | None, thresholds: Thresholds | None) -> Verdict:
    """The verdict of the facts, if there is neither a model nor a calibration; otherwise that of the score.

    A fact that a passage contradicts (another number, date, name) contradicts the claim, whatever the model says: small
    models read over digits. A sure fact that no passage has takes most of the score.
    """
    if check.verdict == "contradicted" or (stance is None and thresholds is None):
        return check.verdict
    thresholds = thresholds or Thresholds()
    if combined_score(check, stance) >= thresholds.supported:
        return "supported"
    is_opposed = stance is not None and stance.contradicted >= thresholds.contradicted
    return "contradicted" if is_opposed else "not stated"
