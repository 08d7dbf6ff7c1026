"""How much a completion repeats itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.tokenizers import TokenizerName, load_splitter


def sequence_repetition(tokens: list[str], n: int) -> float:
    """1 − (distinct n-grams / n-grams) of one sequence of at least n tokens.

    Source: Welleck et al. 2020, "Neural text generation with unlikelihood training", §5 (seq-rep-n). The paper counts
    ids of the model's tokenizer; here the tokens come from `metrics.tokenizers`.
    """
    ngrams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    return 1 - len(set(ngrams)) / len(ngrams)


def longest_repeated_span(tokens: list[str]) -> int:
    """Length in tokens of the longest span that occurs at two (possibly overlapping) places; 0 if no token repeats."""
    numbers: dict[str, int] = {}
    # One character per distinct token: slices of a str are fast to hash and compare. Python allows surrogates in a str.
    text = "".join(chr(numbers.setdefault(token, len(numbers))) for token in tokens)
    low, high = 0, max(len(text) - 1, 0)  # a span of length `low` repeats; no span longer than `high` does
    while low < high:
        middle = (low + high + 1) // 2
        starts = range(len(text) - middle + 1)
        if len({text[start : start + middle] for start in starts}) < len(starts):
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, kw_only=True)
class Repetition(Metric):
    """Means over completions of at least n tokens; shorter completions are left out and counted as `too_short`.

    `seq_rep`: repeated share of n-grams; `distinct`: distinct share of single tokens, within each completion;
    `longest_span`: longest repeated span as a share of the completion.
    """

    name: ClassVar[str] = "repetition"
    primary: ClassVar[str] = "repetition.seq_rep"
    primary_sums: ClassVar[tuple[str, ...]] = ("seq_rep", "count")
    reads: ClassVar[PartRead] = "all"
    higher_is_better: ClassVar[bool] = False
    opposite: ClassVar[tuple[str, ...]] = ("repetition.distinct",)
    missing: ClassVar[str] = "no_completion"
    counted: ClassVar[tuple[str, ...]] = ("too_short",)
    n: int = 4
    tokenizer: TokenizerName = "mixed"

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Sums of the three shares."""
        if row["completion"] is None:
            return None
        tokens = load_splitter(self.tokenizer)(row["completion"])
        if len(tokens) < self.n:
            return {"count": 0, "too_short": 1}
        return {
            "seq_rep": sequence_repetition(tokens, self.n),
            "distinct": len(set(tokens)) / len(tokens),
            "longest_span": longest_repeated_span(tokens) / len(tokens),
            "count": 1,
        }

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over the completions that are long enough."""
        parts = ("seq_rep", "distinct", "longest_span")
        return {f"repetition.{part}": ratio(sums[part], sums["count"]) for part in parts if part in sums}

    def signature_parts(self) -> dict[str, str]:
        """The order of the n-grams, and the tokenizer."""
        return {"order": str(self.n), "tok": self.tokenizer}
