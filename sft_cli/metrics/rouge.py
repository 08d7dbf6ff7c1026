"""ROUGE-N and ROUGE-L (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sft_cli.metrics.arithmetic import f_score
from sft_cli.metrics.overlap import Scores, overlap_sums, overlap_values
from sft_cli.metrics.protocol import Metric, Sums
from sft_cli.metrics.tokenizers import TokenizerName


def rouge_n(predicted: list[str], reference: list[str], n: int, beta: float = 1.0) -> Scores:
    """Precision, recall and F of clipped n-gram overlap (Lin 2004, eq. 1); 0 where there are no n-grams.

    Equals rouge-score 0.1.2 on the same tokens.
    """
    ours, theirs = _ngrams(predicted, n), _ngrams(reference, n)
    shared = sum(min(count, ours[ngram]) for ngram, count in theirs.items() if ngram in ours)
    precision, recall = shared / max(ours.total(), 1), shared / max(theirs.total(), 1)
    return precision, recall, f_score(precision, recall, beta)


def _ngrams(tokens: list[str], n: int) -> Counter[Any]:
    return Counter(tokens if n == 1 else zip(*(tokens[start:] for start in range(n)), strict=False))


def rouge_l(predicted: list[str], reference: list[str], beta: float = 1.0) -> Scores:
    """Precision, recall and F of the longest common subsequence of the whole texts (Lin 2004, eq. 2-4).

    Sentences are not split: this is rouge-score's rougeL, not rougeLsum.
    """
    if not predicted or not reference:
        return 0.0, 0.0, 0.0
    length = common_subsequence(predicted, reference)
    precision, recall = length / len(predicted), length / len(reference)
    return precision, recall, f_score(precision, recall, beta)


def common_subsequence(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, bit-parallel: one big-integer step per token of `right`.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for place, token in enumerate(left):
        places[token] = places.get(token, 0) | 1 << place
    everything = (1 << len(left)) - 1
    unmatched = everything
    for token in right:
        here = unmatched & places.get(token, 0)
        unmatched = ((unmatched + here) | (unmatched - here)) & everything
    return len(left) - unmatched.bit_count()


@dataclass(frozen=True, kw_only=True)
class Rouge1(Metric):
    """ROUGE-1: overlap of tokens. The file's value is the mean over rows."""

    name: ClassVar[str] = "rouge-1"
    primary: ClassVar[str] = "rouge_1.f"
    primary_sums: ClassVar[tuple[str, ...]] = ("f", "count")
    counted: ClassVar[tuple[str, ...]] = ("text_lost",)
    tokenizer: TokenizerName = "mixed"
    beta: float = 1.0
    references: Literal["max", "mean"] = "max"

    def score(self, predicted: list[str], reference: list[str]) -> Scores:
        """Precision, recall and F of one pair of token lists."""
        return rouge_n(predicted, reference, 1, self.beta)

    def sums(self, row: Mapping[str, Any]) -> Sums | None:
        """Sums of precision, recall and F."""
        return overlap_sums(row, self.tokenizer, self.references, self.score)

    def values(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """Means over rows: `.p`, `.r`, `.f`."""
        return overlap_values(self.name.replace("-", "_"), sums)

    def signature_parts(self) -> dict[str, str]:
        """Tokenizer, β, and how several references become one number."""
        return {"tok": self.tokenizer, "beta": f"{self.beta:g}", "ref": self.references}


@dataclass(frozen=True, kw_only=True)
class Rouge2(Rouge1):
    """ROUGE-2: overlap of pairs of adjacent tokens."""

    name: ClassVar[str] = "rouge-2"
    primary: ClassVar[str] = "rouge_2.f"

    def score(self, predicted: list[str], reference: list[str]) -> Scores:
        """Precision, recall and F of one pair of token lists."""
        return rouge_n(predicted, reference, 2, self.beta)


@dataclass(frozen=True, kw_only=True)
class RougeL(Rouge1):
    """ROUGE-L: longest common subsequence of the whole texts."""

    name: ClassVar[str] = "rouge-l"
    primary: ClassVar[str] = "rouge_l.f"

    def score(self, predicted: list[str], reference: list[str]) -> Scores:
        """Precision, recall and F of one pair of token lists."""
        return rouge_l(predicted, reference, self.beta)
