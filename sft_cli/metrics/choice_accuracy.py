"""Multiple choice by likelihood, from the log-probabilities that `sft generate --choices` wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.run.errors import FieldError, shown

SIZES = ("character", "byte", "token")  # possible units of length, by which a log-probability is divided


@dataclass(frozen=True, kw_only=True)
class ChoiceAccuracy(Metric):
    """Share of rows whose most likely choice is the right choice; of equally likely choices the first counts.

    `choice_accuracy` compares log-probabilities, `.per_character`, `.per_byte` and `.per_token` compare them divided by
    the choice's length. Rows that failed are wrong, and so are those with a choice too long for the model, which are
    counted as `too_long`. Equal to `acc`, `acc_norm` and `acc_bytes` of lm-evaluation-harness.
    """

    name: ClassVar[str] = "choice-accuracy"
    primary: ClassVar[str] = "choice_accuracy"
    primary_sums: ClassVar[tuple[str, ...]] = ("correct", "count")
    reads: ClassVar[PartRead] = "all"
    missing: ClassVar[str] = "no_logprobs"
    counted: ClassVar[tuple[str, ...]] = ("too_long", "no_right_choice")

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """1 for each comparison that finds the right choice. Raises FieldError if no choice is right."""
        choices, entries = row.get("choices"), row.get("choice_logprobs") or []
        failed = row["completion"] is None
        if not choices or not (entries or failed):
            return None
        right = right_choice(row)
        if right is None:
            return {"count": 0, "no_right_choice": 1}
        sums: Sums = {"correct": 0, **{f"correct_per_{size}": 0 for size in SIZES}, "count": 1}
        if failed:
            return sums
        check_entries(row)
        if None in entries:
            return {**sums, "too_long": 1}
        totals = [entry["sum"] for entry in entries]
        sums["correct"] = int(likeliest(totals) == right)
        for size in SIZES:
            lengths = [entry[f"{size}s"] for entry in entries]
            means = [total / length if length else -math.inf for total, length in zip(totals, lengths, strict=True)]
            sums[f"correct_per_{size}"] = int(likeliest(means) == right)
        return sums

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """The accuracy of each comparison."""
        parts = {
            "correct": "choice_accuracy",
            **{f"correct_per_{size}": f"choice_accuracy.per_{size}" for size in SIZES},
        }
        return {name: ratio(sums[part], sums["count"]) for part, name in parts.items() if part in sums}

    def signature_parts(self) -> dict[str, str]:
        """The numbers that are compared, and the rule for ties."""
        return {"by": "logprob", "ties": "first"}


def likeliest(values: list[float]) -> int:
    """The place of the greatest value, the first of equals."""
    return max(range(len(values)), key=values.__getitem__)


def check_entries(row: Mapping[str, Any]) -> None:
    """Raise FieldError if the row has not as many log-probabilities as choices."""
    choices, entries = len(row["choices"]), len(row["choice_logprobs"])
    if entries != choices:
        raise FieldError("choice_logprobs", f"expected a log-probability for each of {choices} choices, got {entries}")


def right_choice(row: Mapping[str, Any]) -> int | None:
    """The right choice: `answer_index`, or otherwise the first that equals `answer`; None if the row has neither.

    Raises FieldError if it is not a choice, or if the two fields disagree.
    """
    choices, answer, index = row["choices"], row.get("answer"), row.get("answer_index")
    if index is not None:
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(choices):
            raise FieldError("answer_index", f"expected a number from 0 to {len(choices) - 1}, got {shown(index)}")
        if answer is not None and answer != choices[index]:
            raise FieldError("answer", f"expected choices[{index}], {shown(choices[index])}, got {shown(answer)}")
        return index
    if answer is None:
        return None
    if answer not in choices:
        raise FieldError("answer", f"expected one of the choices {shown(choices)}, got {shown(answer)}")
    return int(choices.index(answer))
