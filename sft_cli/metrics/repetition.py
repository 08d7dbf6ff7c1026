"""How much a completion repeats itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sft_cli.metrics.arithmetic import ratio, share
from sft_cli.metrics.protocol import Metric, PartRead, Sums
from sft_cli.metrics.rouge.metric import rouge_sentences
from sft_cli.metrics.tokenizers import TokenizerName, load_splitter
from sft_cli.run.errors import UserError

BLANK_LINES = re.compile(r"\n[ \t\u3000\r]*\n")
PARTS = {"sentences": "with_sentences", "near_sentences": "with_sentences", "paragraphs": "with_paragraphs"}
NEAR = 0.8
LEAST_TOKENS = 3  # shorter sentences and paragraphs, such as `Dr.`, `1.` and `好。`, are no repetition


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


def repeated_parts(parts: Sequence[Sequence[str]]) -> float:
    """Share of token sequences that are equal to an earlier one."""
    return 1 - len(set(map(tuple, parts))) / len(parts)


def near_repeated_parts(parts: Sequence[Sequence[str]], near: float) -> float:
    """Share of token sequences whose tokens, as a set, have a Jaccard index of at least `near` with an earlier one."""
    earlier: dict[frozenset[str], None] = {}
    repeated = 0
    for part in parts:
        tokens = frozenset(part)
        is_near = tokens in earlier or any(
            near * max(len(tokens), len(other)) <= min(len(tokens), len(other))
            and len(tokens & other) >= near * len(tokens | other)
            for other in earlier
        )
        repeated += is_near
        earlier[tokens] = None
    return repeated / len(parts)


@dataclass(frozen=True, kw_only=True)
class Repetition(Metric):
    """Means over completions of at least n tokens; shorter completions are left out and counted as `too_short`.

    `seq_rep`: repeated share of n-grams; `distinct`: distinct share of single tokens, within each completion;
    `longest_span`: longest repeated span as a share of the completion. `sentences` and `paragraphs`: the share that is
    equal to an earlier one of the completion, `near_sentences`: equal or nearly equal, over completions with at least
    two of them; parts with fewer than 3 tokens do not count.
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
    near: float = NEAR

    def __post_init__(self) -> None:
        if self.near > 1:
            raise UserError(f"repetition: near: expected at most 1, got {self.near:g}")

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Sums of the shares."""
        if row["completion"] is None:
            return None
        tokens = load_splitter(self.tokenizer)(row["completion"])
        if len(tokens) < self.n:
            return {"count": 0, "too_short": 1}
        return {
            "seq_rep": sequence_repetition(tokens, self.n),
            "distinct": len(set(tokens)) / len(tokens),
            "longest_span": longest_repeated_span(tokens) / len(tokens),
            **self._of_parts(row["completion"]),
            "count": 1,
        }

    def _of_parts(self, text: str) -> Sums:
        """The shares of repeated sentences and paragraphs, and 1 if there are at least two."""
        sums: Sums = {}
        sentences = self._long_enough(rouge_sentences(text, "marks"))
        if len(sentences) > 1:
            near = near_repeated_parts(sentences, self.near)
            sums |= {"sentences": repeated_parts(sentences), "near_sentences": near, "with_sentences": 1}
        paragraphs = self._long_enough(BLANK_LINES.split(text))
        if len(paragraphs) > 1:
            sums |= {"paragraphs": repeated_parts(paragraphs), "with_paragraphs": 1}
        return sums

    def _long_enough(self, parts: Sequence[str]) -> list[list[str]]:
        split = load_splitter(self.tokenizer)
        return [tokens for tokens in map(split, parts) if len(tokens) >= LEAST_TOKENS]

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over the completions that are long enough."""
        parts = ("seq_rep", "distinct", "longest_span")
        values = {f"repetition.{part}": ratio(sums[part], sums["count"]) for part in parts if part in sums}
        for part, those in PARTS.items():
            if part in sums:
                values[f"repetition.{part}"] = share(sums[part], sums[those])
        return values

    def details(self, sums: Mapping[str, float]) -> dict[str, Any]:
        """The numbers of completions with several sentences and with several paragraphs."""
        return {"of": {those: int(sums.get(those, 0)) for those in dict.fromkeys(PARTS.values())}}

    def signature_parts(self) -> dict[str, str]:
        """The order of the n-grams, the tokenizer, and when two sentences are nearly equal."""
        near = {} if self.near == NEAR else {"near": f"{self.near:g}"}  # older score files have no such part
        return {"order": str(self.n), "tok": self.tokenizer, **near}
