"""Perplexity of the references, from the log-probabilities that `sft generate --logprobs` wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.arithmetic import exponential, ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums


@dataclass(frozen=True, kw_only=True)
class Perplexity(Metric):
    """exp(−Σ log p / Σ tokens) over all tokens of all references: weighted by tokens, not a mean over rows.

    With `of=text` it is the perplexity of the rows' raw text, which `--echo-logprobs` wrote.

    `bits_per_byte` (UTF-8) compares models whose tokenizers differ; perplexity does not. Both count the stop token that
    ends a reference. References too long for the model (null in the row) are left out and counted as `too_long`.
    """

    name: ClassVar[str] = "perplexity"
    primary: ClassVar[str] = "perplexity"
    largest: ClassVar[float | None] = None
    primary_sums: ClassVar[tuple[str, ...]] = ("nats", "tokens", "count")
    reads: ClassVar[PartRead] = "all"
    higher_is_better: ClassVar[bool] = False
    missing: ClassVar[str] = "no_logprobs"
    counted: ClassVar[tuple[str, ...]] = ("too_long",)
    of: Literal["references", "text"] = "references"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Negative log-probability in nats, and the lengths by which it is divided."""
        entries = row.get("reference_logprobs") or []
        if self.of == "text":
            entries = [row["text_logprobs"]] if row.get("text_logprobs") else []
        known = [entry for entry in entries if entry is not None]
        too_long: Sums = {"too_long": len(entries) - len(known)} if len(known) < len(entries) else {}
        tokens = sum(entry["tokens"] for entry in known)
        if not tokens:
            return {"count": 0, **too_long} if too_long else None
        nats = -math.fsum(entry["sum"] for entry in known)
        byte_count = sum(entry.get("bytes") or 0 for entry in known)
        return {"nats": nats, "tokens": tokens, "bytes": byte_count, "count": 1, **too_long}

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Perplexity per token and bits per byte (if bytes are known)."""
        values = {"perplexity": exponential(ratio(sums["nats"], sums["tokens"]))}
        byte_count = sums.get("bytes", 0)
        if hasattr(byte_count, "shape") or byte_count:
            values["perplexity.bits_per_byte"] = ratio(sums["nats"] / math.log(2), byte_count)
        return values

    def signature_parts(self) -> dict[str, str]:
        """The weights: tokens, not rows."""
        return {"weight": "tokens", "text": self.of}
