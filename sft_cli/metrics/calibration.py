"""How far a model's confidence in its answers agrees with how often they are right."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.choice_accuracy import ChoiceAccuracy
from sft_cli.metrics.exact_match import ExactMatch
from sft_cli.metrics.extract import check_rule
from sft_cli.metrics.protocol import Metric, PartRead, Sums, extract_option

Confidence = Literal["auto", "choices", "completion", "token"]
BIN_PARTS = ("rows", "right", "confidence")


def bin_number(probability: float, bins: int) -> int:
    """The place of a probability from 0 to 1 among bins of equal widths, from 0; 1 is in the last."""
    return min(int(probability * bins), bins - 1)


def calibration_error(gaps: list[Any], rows: Any) -> Any:
    """Expected calibration error: Σ over bins of |true outcomes − added probabilities| / rows.

    gaps: for each bin the difference of these sums, a number or an array of resamples. Source: Guo et al. 2017, "On
    calibration of modern neural networks", equation 3.
    """
    return ratio(sum((abs(gap) for gap in gaps), start=0.0), rows)


@dataclass(frozen=True, kw_only=True)
class ConfidenceCalibration(Metric):
    """Brier score and expected calibration error of the confidence in answers; lower is better.

    The confidence is the probability of the likeliest choice among the choices (`of=choices`), of the completion
    (`of=completion`), or the geometric mean of the probabilities of its tokens (`of=token`); `auto` is choices where a
    row has their log-probabilities, otherwise completion. A choice is right as in `choice-accuracy`, a completion as in
    `exact-match` with the same options.
    """

    name: ClassVar[str] = "calibration"
    primary: ClassVar[str] = "calibration.brier"
    primary_sums: ClassVar[tuple[str, ...]] = ("squared", "count")
    higher_is_better: ClassVar[bool] = False
    opposite: ClassVar[tuple[str, ...]] = ("calibration.accuracy",)
    missing: ClassVar[str] = "no_logprobs"
    counted: ClassVar[tuple[str, ...]] = ("no_reference", "no_right_choice", "too_long")
    of: Confidence = "auto"
    bins: int = 10
    normalize: Literal["space", "answer", "value", "none"] = "value"
    extract: str = extract_option()

    def __post_init__(self) -> None:
        check_rule(self.name, self.extract)

    @cached_property
    def _exact(self) -> ExactMatch:
        return ExactMatch(normalize=self.normalize, extract=self.extract)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The confidence of the row's answer, whether the answer is right, and both in their bin."""
        if row["completion"] is None:
            return None
        is_choice = self.of == "choices" or (self.of == "auto" and bool(row.get("choice_logprobs")))
        judged = ChoiceAccuracy().sums(row) if is_choice else self._of_completion(row)
        if judged is None or not judged["count"] or judged.get("too_long"):
            return {**judged, "count": 0} if judged else None
        confidence = choice_confidence(row) if is_choice else completion_confidence(row, self.of == "token")
        right = judged["correct"]
        place = bin_number(confidence, self.bins)
        in_bin = dict(zip(BIN_PARTS, (1, right, confidence), strict=True))
        return {
            "squared": (confidence - right) ** 2,
            "right": right,
            "confidence": confidence,
            **{f"{part}:{place}": value for part, value in in_bin.items()},
            "count": 1,
        }

    def _of_completion(self, row: Mapping[str, Any]) -> Sums | None:
        if not (row.get("completion_logprob") or {}).get("tokens"):
            return None
        return self._exact.sums(row) or {"count": 0, "no_reference": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Brier score, ECE, and the means whose difference is over-confidence."""
        values = {"calibration.brier": ratio(sums["squared"], sums["count"])}
        if "confidence" in sums:
            gaps = [
                sums.get(f"right:{place}", 0.0) - sums.get(f"confidence:{place}", 0.0) for place in range(self.bins)
            ]
            values |= {
                "calibration.ece": calibration_error(gaps, sums["count"]),
                "calibration.confidence": ratio(sums["confidence"], sums["count"]),
                "calibration.accuracy": ratio(sums["right"], sums["count"]),
            }
        return values

    def row_values(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """The row's squared error, its confidence, and whether it is right; a calibration error needs many rows."""
        return {name: value for name, value in self.values(sums).items() if name != "calibration.ece"}

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The bins of a reliability diagram: bounds, rows, mean confidence and share of right answers of each."""
        shown = []
        for place in range(self.bins):
            rows, right, confidence = (sums.get(f"{part}:{place}", 0.0) for part in BIN_PARTS)
            means = {"confidence": ratio(confidence, rows), "accuracy": ratio(right, rows)} if rows else {}
            shown.append({"from": place / self.bins, "to": (place + 1) / self.bins, "rows": int(rows), **means})
        return {"bins": shown}

    def signature_parts(self) -> dict[str, str]:
        """The confidence that is read, the bins of the ECE, and when a completion is right."""
        rule = {} if self.extract in ("auto", "none") else {"extract": self.extract}
        return {"of": self.of, "bins": str(self.bins), **rule, "norm": self.normalize}


def choice_confidence(row: Mapping[str, Any]) -> float:
    """The probability of the likeliest choice among the choices: a softmax of their log-probabilities."""
    totals = [entry["sum"] for entry in row["choice_logprobs"]]
    return 1 / math.fsum(math.exp(total - max(totals)) for total in totals)


def completion_confidence(row: Mapping[str, Any], per_token: bool) -> float:
    """The probability of the completion, or the geometric mean of the probabilities of its tokens."""
    entry = row["completion_logprob"]
    return math.exp(entry["sum"] / (entry["tokens"] if per_token else 1))


@dataclass(frozen=True, kw_only=True)
class Entropy(Metric):
    """Mean of −log p of the tokens that a model wrote, in nats: an estimate of the entropy of what it writes.

    From `sft generate --completion-logprobs`, weighted by tokens, without temperature and other controls. It is an
    unbiased estimate for completions that were sampled at temperature 1; greedy completions have less. Reported as
    higher is better, because the fault after fine-tuning is a fall towards 0: the model has one answer only.
    """

    name: ClassVar[str] = "entropy"
    primary: ClassVar[str] = "entropy"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("nats", "tokens", "count")
    reads: ClassVar[PartRead] = "all"
    missing: ClassVar[str] = "no_logprobs"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """The negative log-probability of the completion, and its tokens."""
        entry = row.get("completion_logprob") or {}
        if row["completion"] is None or not entry.get("tokens"):
            return None
        return {"nats": -entry["sum"], "tokens": entry["tokens"], "count": 1}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Nats per token, and per completion."""
        return {
            "entropy": ratio(sums["nats"], sums["tokens"]),
            "entropy.per_completion": ratio(sums["nats"], sums["count"]),
        }

    def signature_parts(self) -> dict[str, str]:
        """The weights: tokens, not rows."""
        return {"weight": "tokens"}
