"""What a verifier model says of the claims of an answer and their sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sft_cli.evidence.claims import Claim
from sft_cli.evidence.verification.claim_verdict import ModelSaid
from sft_cli.evidence.verification.combined import Calibration, Stance
from sft_cli.evidence.verification.sources import Voices
from sft_cli.evidence.verification.windows import windows_for

if TYPE_CHECKING:
    import numpy as np

Pair = tuple[str, str]  # evidence, claim


class StanceModel(Protocol):
    """Gives the probability of each stance. note: about the number format.

    cut: how many pairs were too long. about_cut: what happened to these.
    """

    note: str
    about_cut: str

    @property
    def cut(self) -> int: ...  # noqa: D102

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        """For each (evidence, claim) the probabilities of supported, contradicted and not stated, (N, 3)."""
        ...


class ModelCheck:
    """Asks a model about every claim and source of an answer at once. calibration: its thresholds.

    Without a model it has nothing to say of any source; the facts decide, by the thresholds if there are any.
    """

    def __init__(self, model: StanceModel | None = None, calibration: Calibration | None = None) -> None:
        self.model, self.calibration = model, calibration
        self.thresholds = calibration.thresholds if calibration else None

    def said(self, claims: Sequence[Claim], voices: Sequence[Voices]) -> list[ModelSaid]:
        """What it says of each claim: for each of its sources the stance of the window that says most of the claim.

        It is the window with the smallest probability of `not stated`.
        """
        if self.model is None:
            return [ModelSaid([None] * len(heard.sources), self.thresholds) for heard in voices]
        pairs: list[Pair] = []
        places: list[list[range]] = []
        for claim, heard in zip(claims, voices, strict=True):
            places.append([])
            for source in heard.sources:
                windows = windows_for(claim.text, source.evidence)
                places[-1].append(range(len(pairs), len(pairs) + len(windows)))
                pairs += [(window, claim.text) for window in windows]
        read = [Stance(*map(float, row)) for row in self.model.probabilities(pairs)] if pairs else []
        nothing = Stance(0.0, 0.0, 1.0)
        return [
            ModelSaid(
                [min((read[i] for i in each), key=_not_stated, default=nothing) for each in of_claim], self.thresholds
            )
            for of_claim in places
        ]


def _not_stated(stance: Stance) -> float:
    return stance.not_stated
